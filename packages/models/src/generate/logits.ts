import type { Generator } from '@peft/core';
import type { Settings } from './options';

/** Makes tokens that stand in a sequence already less likely (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). In place. */
function penalizeRepetition(scores: Float32Array, ids: readonly number[], penalty: number): void {
  for (const id of new Set(ids)) {
    const score = scores[id];
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
  }
}

/** Rules out tokens. In place. */
function forbid(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < scores.length) scores[id] = Number.NEGATIVE_INFINITY;
}

/** Rules out all tokens but one. In place. */
function force(scores: Float32Array, id: number): void {
  scores.fill(Number.NEGATIVE_INFINITY);
  scores[id] = 0;
}

/** Tokens with which the last `size` ones would be a run that came before. */
function repeating(ids: readonly number[], size: number): number[] {
  const open = ids.length - size + 1;
  const starts = Array.from({ length: Math.max(open, 0) }, (_, at) => at);
  return starts
    .filter((at) => ids.slice(at, at + size - 1).every((id, i) => id === ids[open + i]))
    .map((at) => ids[at + size - 1] as number);
}

/** Changes scores in place. @param ids the sequence so far @param step how many of them are generated */
type Rule = (scores: Float32Array, ids: readonly number[], step: number) => void;

/** What the settings say about the next token, whatever way it is then chosen: rules to apply one after the other, none where they say nothing. */
export function scoreRules(settings: Settings): Rule[] {
  const {
    repetition_penalty,
    no_repeat_ngram_size,
    min_length,
    min_new_tokens,
    max_new_tokens,
    eos,
    forced_bos_token_id: first,
    forced_eos_token_id: last,
    suppress_tokens: never,
    begin_suppress_tokens: notFirst,
  } = settings;
  const rules: Rule[] = [];
  if (repetition_penalty !== 1) rules.push((scores, ids) => penalizeRepetition(scores, ids, repetition_penalty));
  if (no_repeat_ngram_size > 0) rules.push((scores, ids) => forbid(scores, repeating(ids, no_repeat_ngram_size)));
  if (min_length > 0 || min_new_tokens > 0)
    rules.push((scores, ids, step) => {
      if (ids.length < min_length || step < min_new_tokens) forbid(scores, eos);
    });
  if (typeof first === 'number')
    rules.push((scores, ids) => {
      if (ids.length === 1) force(scores, first);
    });
  if (typeof last === 'number')
    rules.push((scores, _, step) => {
      if (step === max_new_tokens - 1) force(scores, last);
    });
  if (never) rules.push((scores) => forbid(scores, never));
  if (notFirst)
    rules.push((scores, ids, step) => {
      // A first token that is forced is none of those that are chosen.
      const begun = typeof first === 'number' && ids.length - step === 1 ? 1 : 0;
      if (step === begun) forbid(scores, notFirst);
    });
  return rules;
}

/** The likeliest token; of equals the first. */
export function argMax(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
  return best;
}

/** Logarithms of the probabilities. In place. */
export function logSoftmax(scores: Float32Array): Float32Array {
  const max = scores[argMax(scores)] as number;
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - max);
  const shift = max + Math.log(sum);
  for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] as number) - shift;
  return scores;
}

/** The `count` largest values' places, the largest first; of equals the first. */
export function topIndices(scores: Float32Array, count: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (best.length === count && score <= (scores[best[count - 1] as number] as number)) continue;
    let at = best.length;
    while (at > 0 && score > (scores[best[at - 1] as number] as number)) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}

export interface SamplingOptions {
  temperature: number;
  top_k: number;
  top_p: number;
}

/** Draws a token by its probability among the `top_k` likeliest, of these among the likeliest that have `top_p` together. */
export function drawToken(scores: Float32Array, { temperature, top_k, top_p }: SamplingOptions, random: Generator): number {
  const order =
    top_k > 0 && top_k < scores.length
      ? topIndices(scores, top_k)
      : Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const max = scores[order[0] as number] as number;
  const weights = order.map((i) => Math.exp(((scores[i] as number) - max) / temperature));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = 0;
  let mass = 0;
  // The likeliest stays whatever top_p is.
  while (kept < weights.length && (kept === 0 || mass < top_p * whole)) mass += weights[kept++] as number;
  let rest = random.next() * mass;
  for (let i = 0; i < kept; i++) {
    rest -= weights[i] as number;
    if (rest < 0) return order[i] as number;
  }
  return order[kept - 1] as number;
}
