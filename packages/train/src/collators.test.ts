import { describe, expect, it } from 'vitest';
import {
  dataCollatorForLanguageModeling,
  dataCollatorForSeq2Seq,
  dataCollatorForSpeechSeq2Seq,
  dataCollatorForTokenClassification,
  dataCollatorWithPadding,
} from './collators';

const right = { pad_token_id: 9, padding_side: 'right' as const };
const left = { pad_token_id: 9, padding_side: 'left' as const };
const rows = [{ input_ids: [1, 2, 9] }, { input_ids: [3] }];

describe('collators', () => {
  it('language modelling: padding has no label, an end of text with the same id has', () => {
    expect(dataCollatorForLanguageModeling(right)(rows)).toEqual({
      input_ids: [
        [1, 2, 9],
        [3, 9, 9],
      ],
      attention_mask: [
        [1, 1, 1],
        [1, 0, 0],
      ],
      labels: [
        [1, 2, 9],
        [3, -100, -100],
      ],
    });
    expect(dataCollatorForLanguageModeling(left, { pad_to_multiple_of: 4 })([{ input_ids: [1, 2], labels: [-100, 2] }])).toEqual({
      input_ids: [[9, 9, 1, 2]],
      attention_mask: [[0, 0, 1, 1]],
      labels: [[-100, -100, -100, 2]],
    });
  });

  it('with padding: types are padded, label becomes labels, other fields are lists', () => {
    const examples = [
      { input_ids: [1], token_type_ids: [1], label: 2, id: 'a' },
      { input_ids: [1, 2], token_type_ids: [0, 1], label: 0, id: 'b' },
    ];
    expect(dataCollatorWithPadding(right)(examples)).toEqual({
      input_ids: [
        [1, 9],
        [1, 2],
      ],
      attention_mask: [
        [1, 0],
        [1, 1],
      ],
      token_type_ids: [
        [1, 0],
        [0, 1],
      ],
      labels: [2, 0],
      id: ['a', 'b'],
    });
    expect(dataCollatorWithPadding(right)(rows)).not.toHaveProperty('labels');
  });

  it('token classification and sequences to sequences', () => {
    const examples = [
      { input_ids: [1, 2], labels: [0, 1] },
      { input_ids: [3], labels: [1] },
    ];
    expect(dataCollatorForTokenClassification(left)(examples).labels).toEqual([
      [0, 1],
      [-100, 1],
    ]);
    const texts = [
      { input_ids: [1], labels: [5, 6, 7] },
      { input_ids: [3], labels: [5] },
    ];
    expect(dataCollatorForSeq2Seq(right)(texts)).toEqual({
      input_ids: [[1], [3]],
      attention_mask: [[1], [1]],
      labels: [
        [5, 6, 7],
        [5, -100, -100],
      ],
    });
    expect(() => dataCollatorForSeq2Seq(right)([{ input_ids: [1] }])).toThrow(/example 0 .* no list of labels/);
  });

  it('speech: features as they are, labels padded, without a start that all have', () => {
    const bands = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    const collate = dataCollatorForSpeechSeq2Seq({ decoder_start_token_id: 5 });
    const examples = [
      { input_features: bands, labels: [5, 6, 7] },
      { input_features: bands, labels: [5, 8] },
    ];
    expect(collate(examples)).toEqual({
      input_features: [bands, bands],
      labels: [
        [6, 7],
        [8, -100],
      ],
    });
    const [first = { input_features: bands, labels: [] }] = examples;
    expect(collate([first, { input_features: bands, labels: [8] }]).labels).toEqual([
      [5, 6, 7],
      [8, -100, -100],
    ]);
    expect(dataCollatorForSpeechSeq2Seq()([first]).labels).toEqual([[5, 6, 7]]);
  });

  it('needs a padding token only where there is padding', () => {
    const none = { pad_token_id: null, padding_side: 'right' as const };
    expect(() => dataCollatorWithPadding(none)(rows)).toThrow(/no padding token/);
    expect(dataCollatorWithPadding(none)([{ input_ids: [1] }]).input_ids).toEqual([[1]]);
  });
});
