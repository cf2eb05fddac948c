/** What is told a warning; an application may set its own, a test may collect them. */
export type WarningHandler = (message: string) => void;

const slot = Symbol.for('@peft/core/warn@1');
const shared = globalThis as unknown as Record<symbol, WarningHandler | undefined>;

/** Sends warnings elsewhere than the console and returns the handler that was in force. */
export function setWarningHandler(handler: WarningHandler | undefined): WarningHandler | undefined {
  const previous = shared[slot];
  shared[slot] = handler;
  return previous;
}

/** Tells the user of something that went on but deserves a look. */
export function warn(message: string): void {
  const handler = shared[slot];
  if (handler) handler(message);
  else console.warn(`@peft: ${message}`);
}
