import type { Output } from './Output';
import type { commonOptions, Options, Values } from './options';

/** One of the things that `peft` does. */
export interface Command<O extends Options = Options> {
  readonly options: O;
  /** Lines as they are typed, without `peft` at their start. */
  readonly examples: readonly string[];
  /** More to be said in the help. */
  notes?(values: Values<O & typeof commonOptions>): Promise<string>;
  /** Errors: whatever keeps it from being done. @returns the exit code, where it is not 0 */
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing
  run(values: Values<O & typeof commonOptions>, output: Output): Promise<number | void>;
}

/** Infers what the options of a command hold. */
export const command = <const O extends Options>(definition: Command<O>): Command => definition as unknown as Command;
