import type { Source } from '@peft/core';
import heldOutUrl from '../../../../data/moby-dick/eval.txt?url';
import trainUrl from '../../../../data/moby-dick/train.txt?url';

/** The files of the model that comes with the page, by their addresses. */
const addresses = Object.fromEntries(
  Object.entries(
    import.meta.glob<string>('../../../../models/sotu-0.9m/*.{json,safetensors}', { query: '?url', import: 'default', eager: true }),
  ).map(([path, address]) => [path.slice(path.lastIndexOf('/') + 1), address]),
);

export const BUILT_IN = 'sotu-0.9m';

/** The model that comes with the page; each file is fetched once. */
export function builtInModel(): Source {
  const held = new Map<string, Promise<Uint8Array>>();
  const whole = (path: string): Promise<Uint8Array> => {
    const address = addresses[path];
    if (address === undefined) throw new Error(`the page brings no file ${path}`);
    const bytes = held.get(path) ?? fetchBytes(address);
    held.set(path, bytes);
    return bytes;
  };
  return {
    describe: `the built-in model ${BUILT_IN}`,
    has: async (path) => Object.hasOwn(addresses, path),
    size: async (path) => (await whole(path)).length,
    read: async (path, start, end) => (await whole(path)).slice(start, end),
  };
}

/** Chapters of Moby Dick: to train on, and to measure on. */
export async function builtInText(): Promise<{ train: string; heldOut: string }> {
  const [train, heldOut] = await Promise.all([trainUrl, heldOutUrl].map(async (url) => new TextDecoder().decode(await fetchBytes(url))));
  return { train: train as string, heldOut: heldOut as string };
}

async function fetchBytes(address: string): Promise<Uint8Array> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the page's own file ${address} cannot be fetched: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
