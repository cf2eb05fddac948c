/** The exit codes of programs that these signals end. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Ended by Ctrl-C, or by another signal. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('interrupted');
    this.exitCode = exitCode;
  }
}

/**
 * Does something that can be left in good order: a first Ctrl-C aborts the signal, a second one ends the process at once.
 * Errors: Interrupted, after the work has come to its end early.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = () => {
      if (controller.signal.aborted) process.exit(CODES[name]);
      controller.abort(new Interrupted(CODES[name]));
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } finally {
    for (const [name, handler] of handlers) process.off(name, handler);
  }
}
