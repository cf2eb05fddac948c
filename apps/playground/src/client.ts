import type { Api, FromWorker, Told, ToWorker } from './api';

/** Calls what the worker offers. */
export interface Client {
  call<Name extends keyof Api>(name: Name, argument: Parameters<Api[Name]>[0]): Promise<ReturnType<Api[Name]>>;
  /** Ends training or writing after what runs now. */
  stop(): void;
  /** Ends the worker, whatever it does. */
  end(): void;
}

/** The worker is gone, with all that it held. */
export class WorkerLost extends Error {
  override name = 'WorkerLost';
}

/** Starts the worker that computes. @param lost is told when it has died; its calls have failed then, and this client is of no more use */
export function connect(tell: (told: Told) => void, lost: () => void): Client {
  const worker = new Worker(new URL('./worker/main.ts', import.meta.url), { type: 'module', name: 'peft' });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let count = 0;
  const send = (message: ToWorker) => worker.postMessage(message);

  worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
    if ('told' in data) return tell(data.told);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) call?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    else call?.resolve(data.result);
  });
  const end = (reason: string) => {
    worker.terminate();
    for (const { reject } of waiting.values()) reject(new WorkerLost(reason));
    waiting.clear();
    lost();
  };
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    end(event.message || 'the worker ended');
  });

  return {
    call: (name, argument) =>
      new Promise<never>((resolve, reject) => {
        const id = count++;
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        send({ id, name, argument } as ToWorker);
      }),
    stop: () => send({ stop: true }),
    end: () => end('it was ended'),
  };
}
