import * as tf from '@tensorflow/tfjs-core';
import { concat, gatherRows, reshape } from '../ops/shapes';
import { warn } from '../warn';
import type { Ids, ModelOutput, TextBatch } from './BaseModel';
import { embedTokens } from './embedTokens';
import type { SoftPromptBase } from './softPromptConfig';
import type { TaskType } from './TaskType';

type Forward = (batch: TextBatch) => ModelOutput;
type Rows = readonly (readonly number[])[];

/** A row of a batch, as a layout sees it. */
export interface RowToArrange {
  /** Its columns. */
  length: number;
  /** 0 where it is padding. @default nothing is */
  mask?: readonly number[] | undefined;
  /** Columns that were there at first; generation has added the rest. */
  promptLength: number;
}

/** What stands where in a row: a column's number, or −1 − n for the inserted token n. */
export type Layout = (row: RowToArrange) => number[];

export interface InsertTokensOptions {
  base: SoftPromptBase;
  task: TaskType | null;
  /** Number of inserted tokens, E. */
  count: number;
  /** Their vectors [E, C], differentiable, computed anew for every forward pass. */
  tokens(): tf.Tensor2D;
  /** @default all before the input */
  layout?: Layout;
}

/** Rows of ids, masks or labels as nested arrays. */
export const rowsOf = (ids: Ids): Rows => (ids instanceof tf.Tensor ? ids.arraySync() : ids);

/**
 * What stands around a model's forward pass so that it also reads inserted tokens, as Python PEFT has it: mask, token types and
 * labels get an entry for each, token types only where the task has them, and outputs are longer by as many positions.
 * The cache of generation holds them already: then only the mask is longer.
 */
export function insertTokens({ base, task, count, tokens, layout }: InsertTokensOptions): (forward: Forward) => Forward {
  const said = new Set<string>();
  const warnOnce = (message: string) => {
    if (!said.has(message)) warn(message);
    said.add(message);
  };
  const arrange: Layout = layout ?? (({ length }) => [...range(count, (n) => -1 - n), ...range(length, (column) => column)]);
  return (forward) => (given) => {
    const { input_ids, inputs_embeds, attention_mask, position_ids, token_type_ids, labels, prompt_length, ...batch } = given;
    const cached = given.past_key_values !== undefined || given.encoder_outputs !== undefined;
    const mask = attention_mask && rowsOf(attention_mask);
    if (!cached && (input_ids === undefined) === (inputs_embeds === undefined)) throw new Error('give either input_ids or inputs_embeds');
    const ids = input_ids && rowsOf(input_ids);
    const [rows, columns] = [inputs_embeds?.shape[0] ?? ids?.length ?? 0, inputs_embeds?.shape[1] ?? ids?.[0]?.length ?? 0];
    if (!cached && mask && (mask.length !== rows || mask[0]?.length !== columns))
      throw new Error(`attention_mask is [${mask.length}, ${mask[0]?.length ?? 0}], the input [${rows}, ${columns}]: they must be alike`);
    // A cache is as long as the mask says; its tokens and the new one stand as they stood.
    const plan = range(mask?.length ?? rows, (b) => {
      const length = mask?.[b]?.length ?? columns;
      const prompt = typeof prompt_length === 'object' ? prompt_length[b] : prompt_length;
      return arrange({ length, mask: mask?.[b], promptLength: Math.min(prompt ?? length, length) });
    });
    const filled = (name: string, values: Rows, inserted: number) =>
      plan.map((row, b) => {
        const own = values[b] ?? [];
        if (own.length !== row.length - count)
          throw new Error(`${name} has ${own.length} columns in row ${b}, the input has ${row.length - count}`);
        return row.map((at) => (at < 0 ? inserted : (own[at] as number)));
      });
    const positions = () => {
      if (position_ids === undefined) return {};
      const own = rowsOf(position_ids);
      if (layout) return { position_ids: cached ? own.map((row) => row.map((at) => at + count)) : shifted(plan, own, mask) };
      warnOnce('as in Python PEFT, position_ids are ignored where learned tokens are put in: padding on the left counts as positions');
      return {};
    };
    if (token_type_ids !== undefined && !HAS_TYPES.has(task))
      warnOnce(`as in Python PEFT, token_type_ids are ignored where learned tokens are put in for ${task}`);
    const prompts = typeof prompt_length === 'number' ? prompt_length + count : prompt_length?.map((own) => own + count);
    const outer: TextBatch = {
      ...batch,
      ...(prompts !== undefined && { prompt_length: prompts }),
      ...(mask && { attention_mask: filled('attention_mask', mask, 1) }),
      ...positions(),
    };
    if (cached)
      return forward({ ...outer, ...(input_ids && { input_ids }), ...(inputs_embeds && { inputs_embeds }), ...(labels && { labels }) });
    return forward({
      ...outer,
      ...(token_type_ids && HAS_TYPES.has(task) && { token_type_ids: filled('token_type_ids', rowsOf(token_type_ids), 0) }),
      ...(labels && { labels: LABELS_A_TOKEN.has(task) ? filled('labels', rowsOf(labels as Ids), -100) : labels }),
      inputs_embeds: gathered(tokens(), inputs_embeds ?? embedded(base, ids as Rows), plan),
    });
  };
}

const range = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i));

/** Tasks whose token types go on to the model. */
const HAS_TYPES = new Set<TaskType | null>(['SEQ_CLS', 'TOKEN_CLS']);
/** Tasks with a label for every input token. Python forgets token classification and fails. */
const LABELS_A_TOKEN = new Set<TaskType | null>(['CAUSAL_LM', 'TOKEN_CLS']);

/** Positions of inserted tokens go on from what is before them; those of the input move on by the tokens inserted before. */
function shifted(plan: readonly number[][], given: Rows, mask: Rows | undefined): number[][] {
  return plan.map((row, b) => {
    let [inserted, next] = [0, 0];
    return row.map((at) => {
      if (at < 0) {
        inserted++;
        return next++;
      }
      const position = ((given[b] ?? given[0])?.[at] as number) + inserted;
      if (mask?.[b]?.[at] !== 0) next = position + 1;
      return position;
    });
  });
}

const embedded = (base: SoftPromptBase, ids: Rows): tf.Tensor3D =>
  reshape(embedTokens(base, ids.flat()), [ids.length, ids[0]?.length ?? 0, -1]); // [B, T, C]

/** Every row's vectors in their order: [B, T + E, C]. */
function gathered(tokens: tf.Tensor2D, inputs: tf.Tensor3D, plan: readonly number[][]): tf.Tensor3D {
  const [rows, columns, width] = inputs.shape;
  const [count, own] = tokens.shape;
  if (own !== width) throw new Error(`learned tokens are ${own} wide, this model's embeddings ${width}: set token_dim to ${width}`);
  const pool = concat([tokens, reshape<tf.Tensor2D>(inputs, [-1, width])], 0); // [E + B·T, C]
  const order = plan.flatMap((row, b) => row.map((at) => (at < 0 ? -1 - at : count + b * columns + at)));
  return reshape<tf.Tensor3D>(gatherRows(pool, order), [rows, -1, width]);
}
