// Recordings in a folder, their texts in metadata.csv or metadata.jsonl, as the hub's data sets of speech have them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '@peft/models/audio';
import { loadDataset } from '@peft/train/data';

/** Recordings (`file_name`) with their texts (`transcription`, `text` or `sentence`); each is read when it is asked for. */
export async function speechFolder(folder) {
  const metadata = ['metadata.csv', 'metadata.jsonl'].map((name) => join(folder, name)).find(existsSync);
  if (!metadata) throw new Error(`${folder} has neither metadata.csv nor metadata.jsonl, with file_name and transcription`);
  return (await loadDataset(metadata)).map((row, i) => {
    const text = row.transcription ?? row.text ?? row.sentence;
    if (typeof row.file_name !== 'string' || typeof text !== 'string')
      throw new Error(`row ${i} of ${metadata} has no file_name or no transcription; it has ${Object.keys(row).join(', ')}`);
    return { text, samples: () => readAudio(join(folder, row.file_name)) };
  });
}
