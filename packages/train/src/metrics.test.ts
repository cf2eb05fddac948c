import { describe, expect, it } from 'vitest';
import { meanIoU } from './meanIoU';
import { accuracy, argMax, f1, matthews, perplexity } from './metrics';
import { wordErrorRate } from './wordErrorRate';

describe('classes', () => {
  // What scikit-learn 1.2.1 says of these (zero_division=0).
  const cases: [number[], number[], { binary?: number; macro: number; micro: number; weighted: number; accuracy: number; mcc: number }][] =
    [
      [
        [0, 1, 1, 1, 0, 0, 1, 1],
        [0, 1, 0, 1, 1, 0, 0, 1],
        {
          macro: 0.6190476190476191,
          micro: 0.625,
          weighted: 0.6190476190476191,
          binary: 0.6666666666666665,
          accuracy: 0.625,
          mcc: 0.2581988897471611,
        },
      ],
      [
        [0, 3, 1, 0, 3, 3, 3, 3, 1, 3, 1, 2, 0, 3, 2, 0, 0, 0, 2, 1],
        [1, 2, 2, 1, 2, 5, 4, 1, 4, 1, 3, 4, 1, 2, 4, 4, 4, 1, 2, 2],
        { macro: 0.037037037037037035, micro: 0.05, weighted: 0.06666666666666667, accuracy: 0.05, mcc: -0.1 },
      ],
      [[0, 0, 0], [0, 0, 0], { macro: 1, micro: 1, weighted: 1, binary: 0, accuracy: 1, mcc: 0 }],
      [[0, 0, 0], [1, 1, 0], { macro: 0.25, micro: 1 / 3, weighted: 1 / 6, binary: 0, accuracy: 1 / 3, mcc: 0 }],
      [[2, 2, 2], [0, 1, 1], { macro: 0, micro: 0, weighted: 0, accuracy: 0, mcc: 0 }],
      [[1, 1], [1, 1], { macro: 1, micro: 1, weighted: 1, binary: 1, accuracy: 1, mcc: 0 }],
    ];

  it.each(cases)('%j for %j', (predictions, references, { binary, accuracy: share, mcc, ...averages }) => {
    for (const average of ['macro', 'micro', 'weighted'] as const)
      expect(f1(predictions, references, { average })).toBeCloseTo(averages[average], 14);
    if (binary !== undefined) expect(f1(predictions, references)).toBeCloseTo(binary, 14);
    else expect(() => f1(predictions, references)).toThrow(/binary F1 scores class 1 of two, and the classes here are .*'weighted'/);
    expect(accuracy(predictions, references)).toBeCloseTo(share, 14);
    expect(matthews(predictions, references)).toBeCloseTo(mcc, 14);
  });

  it('may be names', () => {
    const [predictions, references] = [
      ['yes', 'no', 'yes'],
      ['yes', 'yes', 'no'],
    ];
    expect(accuracy(predictions, references)).toBe(1 / 3);
    expect(f1(predictions, references, { positive: 'yes' })).toBe(0.5);
    expect(() => f1(predictions, references)).toThrow('class 1 of two, and the classes here are yes, no');
  });

  it('need one prediction a reference', () => {
    expect(() => accuracy([1], [])).toThrow(/1 predictions for 0/);
    expect(() => f1([], [])).toThrow('at least one');
  });

  it('of scores is the highest', () => {
    expect(argMax([[1, 3, 2], Float32Array.of(5, 4)])).toEqual([1, 0]);
  });
});

it('measures perplexity', () => {
  expect(perplexity(0)).toBe(1);
  expect(perplexity(Math.log(50))).toBeCloseTo(50, 12);
});

describe('meanIoU', () => {
  const predictions = [
    [1, 3, 0, 3, 2, 0, 3, 3, 2, 3, 2, 3],
    [4, 2, 0, 0, 4, 5],
  ];
  const references = [
    [1, 3, 0, 3, 1, 2, 2, 0, 1, 1, 1, 1],
    [255, 3, 255, 255, 3, 3],
  ];
  const nan = Number.NaN;

  // What evaluate's definition gives, computed with NumPy's histograms: classes 4 and 5 are predicted and never real.
  it.each([
    [6, 255, 0.12037037037037036, 0.26666666666666666, 0.26666666666666666, [1 / 3, 1 / 6, 0, 2 / 9, 0, 0], [0.5, 1 / 6, 0, 0.4, nan, nan]],
    [4, 255, 0.18055555555555555, 0.26666666666666666, 0.26666666666666666, [1 / 3, 1 / 6, 0, 2 / 9], [0.5, 1 / 6, 0, 0.4]],
    [6, 0, 0.06944444444444443, 0.18888888888888888, 0.23076923076923078, [0, 1 / 6, 0, 0.25, 0, 0], [nan, 1 / 6, 0, 0.4, nan, nan]],
  ])('of %i classes without label %i', (num_labels, ignore_index, mean_iou, mean_accuracy, overall_accuracy, ious, accuracies) => {
    const result = meanIoU(predictions, references, { num_labels, ignore_index });
    expect(result.mean_iou).toBeCloseTo(mean_iou, 14);
    expect(result.mean_accuracy).toBeCloseTo(mean_accuracy, 14);
    expect(result.overall_accuracy).toBeCloseTo(overall_accuracy, 14);
    for (const [i, iou] of result.per_category_iou.entries()) expect(iou).toBeCloseTo(ious[i] as number, 14);
    for (const [i, share] of result.per_category_accuracy.entries())
      if (Number.isNaN(accuracies[i])) expect(share).toBeNaN();
      else expect(share).toBeCloseTo(accuracies[i] as number, 14);
  });

  it('leaves classes out that are nowhere', () => {
    const { mean_iou, per_category_iou } = meanIoU([[0, 1]], [[0, 1]], { num_labels: 4 });
    expect(mean_iou).toBe(1);
    expect(per_category_iou).toEqual([1, 1, nan, nan]);
  });

  it('needs pairs of one size', () => {
    expect(() => meanIoU([[1, 2]], [[1]], { num_labels: 3 })).toThrow('map 0 has 2 pixels and its reference 1');
    expect(() => meanIoU([[1]], [], { num_labels: 3 })).toThrow('its reference is not there');
    expect(() => meanIoU([[1]], [[1], [2]], { num_labels: 3 })).toThrow('1 maps for 2 references');
  });
});

describe('wordErrorRate', () => {
  // Counted by hand: what has to be done to the first text for the second.
  it.each([
    ['this is the prediction', 'this is the reference', 1 / 4],
    ['there is an other sample', 'there is another one', 3 / 4], // two changed, one put in
    ['', 'a b', 1],
    ['a b c d e', 'c', 4],
    ['b c d', 'a b c', 2 / 3], // one left out, one put in
    ['a  b\n\nc', ' a b c ', 0],
    ['A b', 'a b', 1 / 2],
    ['a\tb', 'a b', 1], // as in jiwer, only spaces part words
  ])('%j for %j', (prediction, reference, rate) => {
    expect(wordErrorRate([prediction], [reference])).toBeCloseTo(rate, 14);
  });

  it('counts over all texts', () => {
    expect(wordErrorRate(['a x', 'c'], ['a b', 'c d e f'])).toBeCloseTo(4 / 6, 14);
  });

  it('needs words', () => {
    expect(() => wordErrorRate(['a'], [' '])).toThrow('reference 0 has no words');
    expect(() => wordErrorRate(['a'], [])).toThrow('1 texts for 0 references');
  });
});
