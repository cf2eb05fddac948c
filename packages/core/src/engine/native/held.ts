import type { Attribute, Handle, Made } from './binding';
import { type Described, SHARES, WRITES } from './operations';

/** An operation that was asked for and is held back. */
export interface Held extends Described, Made {
  shape: number[];
  dtype: number;
  name: string;
  attributes: readonly Attribute[];
  /** Stands for name and attributes. */
  code: number;
  inputs: readonly Handle[];
  /** Whether its result was freed, so that nothing behind the graph needs it. */
  freed: boolean;
}

/** Handles of what is held back count from here; TensorFlow's own have 32 bits. */
export const FIRST_HELD = 2 ** 40;

/** What each has to wait for beyond its inputs: memory that is written to is read before or after, as it was asked for. */
export function waitsOf(held: readonly Held[], first: Handle): Handle[][] {
  /** What lies in the memory of what. */
  const roots = new Map<Handle, Handle>();
  const rootOf = (handle: Handle) => roots.get(handle) ?? handle;
  const users = new Map<Handle, { write?: Handle; reads: Handle[] }>();
  return held.map(({ name, inputs }, i) => {
    const handle = first + i;
    if (SHARES.includes(name)) roots.set(handle, rootOf(inputs[0] as Handle));
    const waits = new Set<Handle>();
    for (const root of new Set(inputs.map(rootOf))) {
      const used = users.get(root) ?? { reads: [] };
      if (used.write !== undefined) waits.add(used.write);
      if (name === WRITES && root === rootOf(handle)) {
        for (const read of used.reads) waits.add(read);
        users.set(root, { write: handle, reads: [] });
      } else {
        used.reads.push(handle);
        users.set(root, used);
      }
    }
    for (const input of inputs) waits.delete(input);
    return [...waits];
  });
}
