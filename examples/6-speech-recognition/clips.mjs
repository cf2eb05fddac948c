// Clips of speech as log-mel features with their texts, many in one file.
import { readFile, writeFile } from 'node:fs/promises';
import { parseSafetensors, writeSafetensors } from '@peft/core';

/** Writes clips, `{ text, bands: [mels][frames] }`, in half precision; a clip's name is its number and its text. */
export async function writeClips(file, clips) {
  const tensors = clips.map(({ text, bands }, i) => {
    const data = Float32Array.from(bands.flatMap((band) => [...band]));
    return [`${String(i).padStart(4, '0')} ${text}`, { dtype: 'F16', shape: [bands.length, bands[0].length], data }];
  });
  await writeFile(file, writeSafetensors(Object.fromEntries(tensors)));
}

/** Reads them, in order. */
export async function readClips(file) {
  const tensors = [...(await parseSafetensors(await readFile(file)))].sort(([a], [b]) => (a < b ? -1 : 1));
  return Promise.all(
    tensors.map(async ([name, { shape, data }]) => {
      const [mels, frames] = shape;
      const values = await data();
      return { text: name.slice(5), bands: Array.from({ length: mels }, (_, m) => values.subarray(m * frames, (m + 1) * frames)) };
    }),
  );
}
