import { type ProgressOptions, ProgressReporter, type ProgressStream } from '@peft/train';

/** Where a command's results, remarks and progress go. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** A result: the object as a line of JSON where that is asked for, else the text, where there is one. */
  result(fields: object, text?: string): void;
  /** Part of a result's text, at once: for text as it is generated. Nothing with `json`. */
  write(text: string): void;
  /** What a reader should know beside the results; on standard error. */
  note(text: string): void;
  /** Standard error. */
  readonly errors: ProgressStream;
  /** A bar there; nothing with `quiet`. */
  progress(options: ProgressOptions): ProgressReporter;
}

/** Standard output and error, or anything like them. */
export interface Streams {
  readonly stdout: ProgressStream;
  readonly stderr: ProgressStream;
}

/** An output on streams. The hub's token never gets there, whatever a message says. */
export function makeOutput({ stdout, stderr }: Streams, { json = false, quiet = false } = {}): Output {
  const token = process.env.HF_TOKEN?.trim();
  const clean = (text: string) => (token ? text.replaceAll(token, '…') : text);
  return {
    json,
    quiet,
    errors: stderr,
    result(fields, text) {
      if (json) stdout.write(clean(`${JSON.stringify(fields)}\n`));
      else if (text !== undefined) stdout.write(clean(`${text}\n`));
    },
    write: (text) => void (json || stdout.write(clean(text))),
    note: (text) => void stderr.write(clean(`${text}\n`)),
    progress: (options) => new ProgressReporter({ ...options, stream: quiet ? null : stderr }),
  };
}
