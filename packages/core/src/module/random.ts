import { mersenne, mersenneFromState } from 'pure-rand/generator/mersenne';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';

/** A seeded stream of random numbers (MT19937) whose state can be saved and put back. */
export class Generator {
  #source: JumpableRandomGenerator;

  constructor(seed = 0) {
    this.#source = mersenne(seed);
  }

  /** A number in [0, 1) with 24 random bits. */
  next(): number {
    return (this.#source.next() >>> 8) / 0x1000000;
  }

  /** `count` numbers, uniform in [low, high). */
  uniform(count: number, low = 0, high = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = low + (high - low) * this.next();
    return values;
  }

  /** `count` numbers from a normal distribution (Box–Muller). */
  normal(count: number, mean = 0, std = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log(1 - this.next()));
      const angle = 2 * Math.PI * this.next();
      values[i] = mean + radius * Math.cos(angle);
      if (i + 1 < count) values[i + 1] = mean + radius * Math.sin(angle);
    }
    return values;
  }

  /** A whole number in [0, bound). */
  integer(bound: number): number {
    return Math.floor((((this.#source.next() >>> 5) * 0x4000000 + (this.#source.next() >>> 6)) / 0x20000000000000) * bound);
  }

  /** The whole numbers 0 … count-1 in random order. */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    return order;
  }

  getState(): readonly number[] {
    return this.#source.getState();
  }

  setState(state: readonly number[]): void {
    this.#source = mersenneFromState(state);
  }
}

const slot = Symbol.for('@peft/core/generator@1');
const shared = globalThis as unknown as Record<symbol, Generator | undefined>;

/** The generator that initialisations and dropout draw from. */
export function defaultGenerator(): Generator {
  shared[slot] ??= new Generator(0);
  return shared[slot];
}

/** Starts the default generator anew: the same seed gives the same weights and the same dropout. */
export function manualSeed(seed: number): void {
  shared[slot] = new Generator(seed);
}
