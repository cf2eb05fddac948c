import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * One side of a comparison: a program that answers each line "sample" with a line of JSON.
 * A `fresh` side starts anew for each sample, so that its start is measured, too.
 */
export class Side {
  #command;
  #env;
  #fresh;
  #child;
  #lines;
  #errors = '';

  constructor({ command, env, fresh }) {
    this.#command = command;
    this.#env = env;
    this.#fresh = fresh;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** Starts the program, unless each sample does, and waits until it is ready. */
  async start() {
    if (this.#fresh) return;
    this.#spawn();
    await this.#next();
  }

  /** One sample: what the program answered, with the milliseconds from its start to the answer where it is fresh. */
  async sample() {
    if (!this.#fresh) {
      this.#child.stdin.write('sample\n');
      return this.#next();
    }
    const started = performance.now();
    this.#spawn();
    const answer = await this.#next();
    const wall = performance.now() - started;
    await this.stop();
    return { wall, ...answer };
  }

  async stop() {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  #spawn() {
    const [program, ...args] = this.#command;
    this.#errors = '';
    this.#child = spawn(program, args, { env: { ...process.env, ...this.#env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (data) => {
      this.#errors = (this.#errors + data).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async #next() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.#command.join(' ')} ended without an answer:\n${this.#errors}`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }
}
