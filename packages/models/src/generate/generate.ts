import { defaultGenerator, Generator } from '@peft/core';
import type { TextModel } from '../shared/TextModel';
import { searchBeams } from './beams';
import { Decoding, type EncoderInput, type Forward, type Prompts } from './Decoding';
import { argMax, drawToken, scoreRules } from './logits';
import { endTest, type GenerateOptions, resolveOptions, type Settings } from './options';
import { decoderStarts, maskOf, repeatPrompts, rowsOf } from './prompts';

/**
 * Continues prompts [B, T], greedily, by sampling or by beam search; an encoder–decoder model reads them and begins anew.
 * @returns prompts, or the decoder's start tokens, with what follows them [B · num_return_sequences, ≤ T + max_new_tokens], filled up with `pad_token_id`
 */
export async function generate(model: TextModel, options: GenerateOptions, forward: Forward): Promise<number[][]> {
  if (!model.outputEmbeddings()) throw new Error(`${model.auto_mapping.base_model_class} has no language model head: it does not generate`);
  if (options.input_ids === undefined) throw new Error('generate needs input_ids');
  const prompts = rowsOf(options.input_ids, 'input_ids');
  const mask = options.attention_mask && rowsOf(options.attention_mask, 'attention_mask');
  if (mask && (mask.length !== prompts.length || mask.some((row, i) => row.length !== prompts[i]?.length)))
    throw new Error('attention_mask must have the shape of input_ids');
  const starts = model.config.is_encoder_decoder === true ? decoderStarts(options, prompts.length, model) : undefined;
  const settings = resolveOptions(options, ((starts ?? prompts)[0] as number[]).length, model.generation_config, model.config);
  const given: Prompts = { ids: prompts, mask: mask ?? maskOf(prompts, settings) };
  if (!starts) return continued(forward, given, undefined, settings);
  return continued(forward, { ids: starts }, { batch: { input_ids: prompts }, mask: given.mask }, settings);
}

/** Continues prompts as settings say. @param input what the encoder reads, in models that have one; the prompts are then the decoder's */
export const continued = (forward: Forward, prompts: Prompts, input: EncoderInput | undefined, settings: Settings): Promise<number[][]> =>
  (settings.num_beams > 1 ? searchBeams : continueRows)(forward, prompts, input, settings);

async function continueRows(forward: Forward, prompts: Prompts, input: EncoderInput | undefined, settings: Settings): Promise<number[][]> {
  const { num_return_sequences: copies, do_sample, pad_token_id: pad, onToken, signal } = settings;
  const decoding = new Decoding(forward, repeatPrompts(prompts, copies), settings, input, copies);
  const hasEnded = endTest(settings);
  const random = settings.generator ?? (settings.seed === undefined ? defaultGenerator() : new Generator(settings.seed));
  const ended = decoding.sequences.map(() => false);
  const rules = scoreRules(settings);
  // Scores that nobody looks at need not leave the engine.
  const plain = !do_sample && rules.length === 0;
  const choose = (scores: Float32Array, row: number, step: number): number => {
    for (const rule of rules) rule(scores, decoding.sequences[row] as number[], step);
    return do_sample ? drawToken(scores, settings, random) : argMax(scores);
  };
  try {
    for (let step = 0; step < settings.max_new_tokens && !ended.every(Boolean) && !signal?.aborted; step++) {
      const running = ended.map((done) => !done);
      const tokens = plain
        ? await decoding.likeliest()
        : (await decoding.scores()).map((scores, i) => (ended[i] ? 0 : choose(scores, i, step)));
      for (const i of ended.keys()) if (ended[i]) tokens[i] = pad ?? 0;
      decoding.push(tokens);
      decoding.sequences.forEach((ids, i) => {
        ended[i] ||= hasEnded(ids);
      });
      onToken?.(tokens.map((token, i) => (running[i] ? token : -1)));
    }
  } finally {
    decoding.dispose();
  }
  return decoding.sequences;
}
