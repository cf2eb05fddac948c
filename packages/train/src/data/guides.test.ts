import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setWarningHandler } from '@peft/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageFolder, loadDataset } from './index';

const guides = fileURLToPath(new URL('../../../../../shared/data/guides', import.meta.url));
const count = (records: { [field: string]: unknown }[], field: string) =>
  records.reduce<Record<string, number>>((counts, record) => {
    const value = String(record[field]);
    counts[value] = (counts[value] ?? 0) + 1;
    return counts;
  }, {});

describe.skipIf(!existsSync(guides))("the guides' own data (skipped: it is not here)", () => {
  const warnings: string[] = [];
  beforeEach(() => void setWarningHandler((message) => warnings.push(message)));
  afterEach(() => void setWarningHandler(undefined));

  it('financial_phrasebank: latin-1, no header, one damaged line', async () => {
    const file = `${guides}/financial_phrasebank/Sentences_AllAgree.txt`;
    const options = { format: 'csv', delimiter: '@', quotechar: null, column_names: ['sentence', 'label'] } as const;
    await expect(loadDataset(file, { ...options, encoding: 'latin1' })).rejects.toThrow('line 38: it has 1 fields');
    const records = await loadDataset(file, { ...options, encoding: 'latin1', onDamaged: 'skip' });
    expect(count(records, 'label')).toEqual({ negative: 303, neutral: 1390, positive: 570 });
    expect(warnings.join()).toContain('1 damaged line was left out: line 38');
    await expect(loadDataset(file, options)).rejects.toThrow(
      /line \d+: its bytes are no utf-8; give the file's encoding, e.g. encoding: 'latin1'/,
    );
  });

  it('MRPC: a byte order mark, quotes that are text', async () => {
    const column_names = ['label', 'id1', 'id2', 'sentence1', 'sentence2'];
    const options = { format: 'tsv', quotechar: null, column_names, number_columns: ['label'] } as const;
    const [train, test] = await Promise.all(
      ['train', 'test'].map((split) => loadDataset(`${guides}/mrpc`, { ...options, split, onDamaged: 'skip' })),
    );
    expect([count(train ?? [], 'label'), count(test ?? [], 'label')]).toEqual([
      { 0: 1323, 1: 2753 },
      { 0: 578, 1: 1147 },
    ]);
    expect(train?.[0]).toMatchObject({ label: 1, id1: '702876' });
  });

  it('RAFT twitter complaints: quoted CSV', async () => {
    expect(count(await loadDataset(`${guides}/twitter_complaints`), 'Label')).toEqual({ complaint: 17, 'no complaint': 33 });
    expect(await loadDataset(`${guides}/twitter_complaints`, { split: 'test' })).toHaveLength(3399);
  });

  it('CamVid: folders of pictures', async () => {
    expect(await imageFolder(`${guides}/camvid`)).toMatchObject({ length: 32, labels: [] });
  });
});
