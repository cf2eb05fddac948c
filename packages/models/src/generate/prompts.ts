import { toMatrix } from '../shared/ids';
import type { PretrainedModel } from '../shared/PretrainedModel';
import type { Prompts } from './Decoding';
import type { GenerateOptions, Settings } from './options';

/** Rows of ids as nested arrays. */
export function rowsOf(ids: GenerateOptions['input_ids'], name: string): number[][] {
  const { values, rows, columns } = toMatrix(ids, name);
  return Array.from({ length: rows }, (_, row) => Array.from(values.subarray(row * columns, (row + 1) * columns)));
}

/** Where the caller gives no mask: padding is told by its token, unless that also ends sequences. */
export function maskOf(prompts: readonly number[][], { pad_token_id: pad, eos }: Settings): number[][] | undefined {
  if (typeof pad !== 'number' || eos.includes(pad)) return undefined;
  return prompts.map((ids) => ids.map((id) => (id === pad ? 0 : 1)));
}

/** How the sequences of an encoder–decoder model begin. Errors: nothing says with what. */
export function decoderStarts(
  { decoder_input_ids, decoder_start_token_id }: Pick<GenerateOptions, 'decoder_input_ids' | 'decoder_start_token_id'>,
  rows: number,
  { generation_config: files, config }: PretrainedModel<never>,
): number[][] {
  const start =
    decoder_start_token_id ?? files.decoder_start_token_id ?? config.decoder_start_token_id ?? files.bos_token_id ?? config.bos_token_id;
  if (typeof start !== 'number') throw new Error("generate needs decoder_start_token_id: the model's files do not say it");
  if (decoder_input_ids === undefined) return Array.from({ length: rows }, () => [start]);
  const given = rowsOf(decoder_input_ids, 'decoder_input_ids');
  if (given.length !== rows) throw new Error(`decoder_input_ids has ${given.length} rows, input_ids ${rows}`);
  return given.every((ids) => ids[0] === start) ? given : given.map((ids) => [start, ...ids]);
}

/** Each row `copies` times, one after the other. */
export function repeatPrompts({ ids, mask }: Prompts, copies: number): Prompts {
  const repeat = <T>(rows: readonly T[]) => rows.flatMap((row) => Array.from({ length: copies }, () => row));
  return { ids: repeat(ids), mask: mask && repeat(mask) };
}
