import { Generator } from '@peft/core';
import { stack } from './collators';

/** Examples that are fetched one by one. */
export interface Dataset<T> {
  readonly length: number;
  get(index: number): T;
}

export interface DataLoaderOptions<T, Batch> {
  /** Examples a batch. @default 1 */
  batch_size?: number;
  /** A new order each epoch. @default false */
  shuffle?: boolean;
  /** The orders are those of this number and the epoch. @default 0 */
  seed?: number;
  /** Makes a batch of examples. @default their fields, each as a list */
  collate?: (examples: Awaited<T>[]) => Batch;
  /** Leaves out a last batch that is not full. @default false */
  dropLast?: boolean;
}

/** Where an iteration stands. */
export interface LoaderState {
  epoch: number;
  /** Batches of the epoch that were given out. */
  position: number;
}

/** Batches in order. Each whole pass is an epoch; a pass that is broken off is begun anew by the next one. */
export interface DataLoader<Batch> extends AsyncIterable<Batch>, LoaderState {
  /** Number of batches of an epoch. */
  readonly length: number;
  /** Of which epoch the order is; may be set between passes. */
  epoch: number;
  readonly position: number;
  state(): LoaderState;
  /** The next pass goes on from there. */
  load(state: LoaderState): void;
}

/** Cuts a dataset into batches. `for (… of loader)` works for arrays and for datasets that are not asynchronous, `for await` for all. */
export function dataLoader<T, Batch = Stacked<T>>(
  dataset: ArrayLike<T>,
  options?: DataLoaderOptions<T, Batch>,
): DataLoader<Batch> & Iterable<Batch>;
export function dataLoader<T, Batch = Stacked<Awaited<T>>>(
  dataset: Dataset<T>,
  options?: DataLoaderOptions<T, Batch>,
): DataLoader<Batch> & (T extends PromiseLike<unknown> ? unknown : Iterable<Batch>);
export function dataLoader<T, Batch>(
  dataset: ArrayLike<T> | Dataset<T>,
  {
    batch_size = 1,
    shuffle = false,
    seed = 0,
    collate = stack as unknown as (examples: Awaited<T>[]) => Batch,
    dropLast = false,
  }: DataLoaderOptions<T, Batch> = {},
): DataLoader<Batch> & Iterable<Batch> {
  if (!Number.isInteger(batch_size) || batch_size < 1) throw new Error(`batch_size must be a whole number above 0, not ${batch_size}`);
  const get = (index: number): T =>
    ('get' in dataset && typeof dataset.get === 'function' ? dataset.get(index) : (dataset as ArrayLike<T>)[index]) as T;
  const count = () => (dropLast ? Math.floor(dataset.length / batch_size) : Math.ceil(dataset.length / batch_size));
  const indices = (epoch: number): ArrayLike<number> & Iterable<number> =>
    shuffle
      ? new Generator((Math.imul(seed, 0x9e3779b1) + epoch) >>> 0).permutation(dataset.length)
      : Int32Array.from({ length: dataset.length }, (_, i) => i);
  let resumeAt = 0;

  /** The examples of each batch that is still to come. */
  function* pass(loader: { epoch: number; position: number }): Generator_<T[]> {
    const order = Array.from(indices(loader.epoch));
    const total = count();
    loader.position = resumeAt;
    resumeAt = 0;
    while (loader.position < total) {
      const at = loader.position++ * batch_size;
      yield order.slice(at, at + batch_size).map(get);
    }
    loader.epoch++;
    loader.position = 0;
  }

  return {
    epoch: 0,
    position: 0,
    get length() {
      return count();
    },
    state() {
      return this.position > 0 && this.position === count()
        ? { epoch: this.epoch + 1, position: 0 }
        : { epoch: this.epoch, position: this.position };
    },
    load({ epoch, position }) {
      this.epoch = epoch;
      (this as { position: number }).position = position;
      resumeAt = position;
    },
    *[Symbol.iterator]() {
      for (const examples of pass(this)) {
        if (examples.some((example) => example instanceof Promise))
          throw new Error('this dataset is asynchronous: use `for await (const batch of loader)`');
        yield collate(examples as Awaited<T>[]);
      }
    },
    async *[Symbol.asyncIterator]() {
      for (const examples of pass(this)) yield collate(await Promise.all(examples));
    },
  };
}

type Generator_<T> = globalThis.Generator<T, void, undefined>;

/** A list of records as a record of lists. */
export type Stacked<T> = T extends Readonly<Record<string, unknown>> ? { [Field in keyof T]: T[Field][] } : T[];
