import type { Layout } from '@peft/core';

/**
 * What stands where, from left to right: a number for so many learned tokens, `{ tokens }` for anchor tokens by their ids,
 * `{ input: n }` for the next n tokens of the input, and once `'input'` for what is left of it.
 * @example `[{ input: 1 }, 3, 'input', { tokens: [29] }, 2]`
 */
export type PromptTemplate = readonly (number | 'input' | { readonly input: number } | { readonly tokens: readonly number[] })[];

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
const isId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

export function isTemplate(value: unknown): value is PromptTemplate {
  if (!Array.isArray(value)) return false;
  return value.every((piece) => {
    if (isCount(piece) || piece === 'input') return true;
    if (typeof piece !== 'object' || piece === null || Object.keys(piece).length !== 1) return false;
    const { input, tokens } = piece as { input?: unknown; tokens?: unknown };
    return isCount(input) || (Array.isArray(tokens) && tokens.length > 0 && tokens.every(isId));
  });
}

/** What is wrong with a template for so many learned tokens. */
export function checkTemplate(template: PromptTemplate, count: number): string[] {
  const learned = template.reduce<number>((sum, piece) => sum + (typeof piece === 'number' ? piece : 0), 0);
  const rests = template.filter((piece) => piece === 'input').length;
  return [
    ...(learned === count ? [] : [`prompt_template has ${learned} learned tokens, num_virtual_tokens is ${count}`]),
    ...(rests === 1 ? [] : [`prompt_template must have "input" once, it has it ${rests} times`]),
  ];
}

/** The ids of a template's anchor tokens, from left to right. */
export const anchorsOf = (template: PromptTemplate): number[] =>
  template.flatMap((piece) => (typeof piece === 'object' && 'tokens' in piece ? [...piece.tokens] : []));

/**
 * The layout of a template whose inserted tokens are the learned ones and behind them the anchors. It holds for the text of
 * each row: padding stays outside, and what follows the row's prompt stays behind it.
 */
export function layoutOf(template: PromptTemplate, count: number): Layout {
  const taken = (piece: PromptTemplate[number]) => (typeof piece === 'object' && 'input' in piece ? piece.input : 0);
  const total = count + anchorsOf(template).length;
  const named = template.reduce<number>((sum, piece) => sum + taken(piece), 0);
  return ({ length, mask, promptLength }) => {
    const text = Array.from({ length: promptLength }, (_, column) => column);
    const isText = (column: number) => mask?.[column] !== 0;
    const first = text.findIndex(isText);
    const start = first < 0 ? promptLength : first;
    const end = text.findLastIndex(isText) + 1;
    const own = text.slice(start, Math.max(start, end));
    const rest = Math.max(0, own.length - named);
    const inserted = Array.from({ length: total }, (_, n) => -1 - n);
    const [learned, anchors] = [inserted.slice(0, count), inserted.slice(count)];
    const arranged = template.flatMap((piece) => {
      if (piece === 'input') return own.splice(0, rest);
      if (typeof piece === 'number') return learned.splice(0, piece);
      return 'input' in piece ? own.splice(0, piece.input) : anchors.splice(0, piece.tokens.length);
    });
    const after = Array.from({ length: length - promptLength }, (_, i) => promptLength + i);
    return [...text.slice(0, start), ...arranged, ...text.slice(Math.max(start, end)), ...after];
  };
}
