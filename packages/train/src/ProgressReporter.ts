/** Where progress is written: `process.stderr`, or anything like it. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressState {
  label: string;
  /** Steps done. */
  done: number;
  total: number | undefined;
  /** Of the last step that told one. */
  loss: number | undefined;
  tokensPerSecond: number | undefined;
  /** Seconds. */
  elapsed: number;
  /** Seconds left, as far as can be told. */
  left: number | undefined;
}

export interface ProgressOptions {
  /** Number of steps, if known. @default the iterable's `length` */
  total?: number;
  /** What goes on. @default no label */
  label?: string;
  /** @default standard error; nothing in browsers */
  stream?: ProgressStream | null;
  /** Told the state after each step, instead of writing. */
  onProgress?: (state: ProgressState) => void;
  /** Steps that were done before, of those in `total`. @default 0 */
  start?: number;
}

export interface StepReport {
  loss?: number;
  /** Tokens of this step, for the rate. */
  tokens?: number;
}

const redrawAfter = 100; // ms
const lineAfter = 10_000; // ms

/** Shows how far something is: a bar on a terminal, else a line about every tenth or every ten seconds. */
export class ProgressReporter {
  readonly #options: ProgressOptions;
  readonly #stream: ProgressStream | null;
  readonly #begun = performance.now();
  #done: number;
  #tokens = 0;
  #loss: number | undefined;
  #shownAt = performance.now();
  #shownPart = 0;

  constructor(options: ProgressOptions = {}) {
    this.#options = options;
    this.#done = options.start ?? 0;
    const standard = typeof process === 'undefined' ? undefined : (process.stderr as ProgressStream | undefined);
    this.#stream = options.onProgress ? null : options.stream === undefined ? (standard ?? null) : options.stream;
  }

  get state(): ProgressState {
    const { label = '', total, start = 0 } = this.#options;
    const elapsed = (performance.now() - this.#begun) / 1000;
    const own = this.#done - start;
    return {
      label,
      done: this.#done,
      total,
      loss: this.#loss,
      tokensPerSecond: this.#tokens > 0 && elapsed > 0 ? this.#tokens / elapsed : undefined,
      elapsed,
      left: total !== undefined && own > 0 ? (elapsed / own) * Math.max(0, total - this.#done) : undefined,
    };
  }

  /** What the step now running found. */
  update({ loss, tokens }: StepReport): void {
    if (loss !== undefined) this.#loss = loss;
    if (tokens !== undefined) this.#tokens += tokens;
  }

  /** A step is done. */
  advance(): void {
    this.#done++;
    const { onProgress, total } = this.#options;
    onProgress?.(this.state);
    if (!this.#stream) return;
    const now = performance.now();
    const last = this.#done === total;
    const part = total ? Math.floor((this.#done / total) * 10) : 0;
    const due = this.#stream.isTTY ? now - this.#shownAt >= redrawAfter : part > this.#shownPart || now - this.#shownAt >= lineAfter;
    if (!due && !last) return;
    this.#shownAt = now;
    this.#shownPart = part;
    this.#stream.write(this.#stream.isTTY ? `\r${drawBar(this.state, this.#stream.columns)}\x1b[K` : `${describe(this.state)}\n`);
  }

  /** Leaves the bar's line, so that what is printed next does not stand on it. */
  end(): void {
    if (this.#stream?.isTTY && this.#done > (this.#options.start ?? 0))
      this.#stream.write(`\r${drawBar(this.state, this.#stream.columns)}\x1b[K\n`);
  }
}

function parts({ label, done, total, loss, tokensPerSecond, elapsed, left }: ProgressState): string[] {
  const facts = [total === undefined ? `${done} steps` : `${done}/${total}`];
  if (total) facts.push(`${Math.floor((100 * done) / total)}%`);
  if (loss !== undefined) facts.push(`loss ${loss.toFixed(4)}`);
  if (tokensPerSecond !== undefined) facts.push(`${Math.round(tokensPerSecond)} tokens/s`);
  facts.push(left !== undefined && done !== total ? `${clock(left)} left` : clock(elapsed));
  return [label, facts.join('  ')];
}

const describe = (state: ProgressState): string =>
  parts(state)
    .filter((part) => part !== '')
    .join('  ');

function drawBar(state: ProgressState, given?: number): string {
  // A terminal of unknown width says 0.
  const columns = given || 80;
  const [label = '', facts = ''] = parts(state);
  const room = columns - 1 - label.length - facts.length - 4;
  const width = Math.min(30, room);
  if (!state.total || width < 5) return describe(state).slice(0, Math.max(1, columns - 1));
  const filled = Math.round(width * Math.min(1, state.done / state.total));
  return [label, '█'.repeat(filled) + '░'.repeat(width - filled), facts].filter((part) => part !== '').join('  ');
}

/** Seconds as h:mm:ss or m:ss. */
function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, '0')];
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}
