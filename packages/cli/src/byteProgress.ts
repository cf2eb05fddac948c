import type { HubProgress, Source } from '@peft/core';
import type { Output } from './Output';

const MEGABYTE = 1e6;
/** Bytes up to which nobody waits long. */
const LITTLE = 50 * MEGABYTE;

/** A bar that counts megabytes; none where there is little to be read. */
function byteBar(output: Output, label: string, total: number) {
  const bar = total > LITTLE ? output.progress({ label: `${label} (MB)`, total: Math.ceil(total / MEGABYTE) }) : undefined;
  let shown = 0;
  return {
    at(loaded: number) {
      for (; shown < Math.floor(loaded / MEGABYTE); shown++) bar?.advance();
    },
    end: () => bar?.end(),
  };
}

/** Shows downloads, one bar at a time where several files come at once. */
export function showDownloads(output: Output): (progress: HubProgress) => void {
  let shown: { file: string; bar: ReturnType<typeof byteBar> } | undefined;
  return ({ file, loaded, total }) => {
    shown ??= loaded < total ? { file, bar: byteBar(output, `download ${file}`, total) } : undefined;
    if (shown?.file !== file) return;
    shown.bar.at(loaded);
    if (loaded < total) return;
    shown.bar.end();
    shown = undefined;
  };
}

/** Reads a source's weights by `load` and shows how far it is. */
export async function showLoading<T>(source: Source, output: Output, load: (watched: Source) => Promise<T>): Promise<T> {
  let current: { path: string; loaded: number; bar: ReturnType<typeof byteBar> } | undefined;
  const watched: Source = {
    describe: source.describe,
    has: (path) => source.has(path),
    size: (path) => source.size(path),
    async read(path, start, end) {
      const bytes = await source.read(path, start, end);
      if (!/\.(safetensors|bin)$/.test(path)) return bytes;
      if (current?.path !== path) {
        current?.bar.end();
        current = { path, loaded: 0, bar: byteBar(output, `load ${path}`, await source.size(path)) };
      }
      current.loaded += bytes.length;
      current.bar.at(current.loaded);
      return bytes;
    },
  };
  try {
    return await load(watched);
  } finally {
    current?.bar.end();
  }
}
