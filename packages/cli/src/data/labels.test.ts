import { expect, it } from 'vitest';
import { kindOfLabels, labelId } from './labels';

it('tells classes by names or numbers, and numbers to be predicted', () => {
  expect(kindOfLabels(['pos', 'neg', 'pos'])).toEqual({
    names: ['neg', 'pos'],
    num_labels: 2,
    problem_type: 'single_label_classification',
  });
  expect(kindOfLabels(['0', '2', 1n, true])).toEqual({ num_labels: 3, problem_type: 'single_label_classification' });
  // Only one class in the data is still one of two.
  expect(kindOfLabels([0, 0])).toMatchObject({ num_labels: 2 });
  expect(kindOfLabels([0.5, '2'])).toEqual({ num_labels: 1, problem_type: 'regression' });
  expect(kindOfLabels([1, 0], ['no', 'yes'])).toMatchObject({ names: ['no', 'yes'], num_labels: 2 });
  expect(() => kindOfLabels(['a', null])).toThrow('all numbers or all names, and one is null');
  expect(() => kindOfLabels(['maybe'], ['no', 'yes'])).toThrow('the label "maybe" is none of the classes: no, yes');
});

it('numbers a label', () => {
  expect(labelId('yes', ['no', 'yes'])).toBe(1);
  expect(labelId('1', ['no', 'yes'])).toBe(1);
  expect(labelId('2', ['1', '2'])).toBe(1);
  expect(labelId(0.25, undefined)).toBe(0.25);
  for (const wrong of [2, -1, 0.5, 'x', null]) expect(() => labelId(wrong, ['no', 'yes'])).toThrow('none of the classes');
  expect(() => labelId('x', undefined)).toThrow('give them as --labels');
});
