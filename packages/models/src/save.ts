import { namedParameters, openSink, type SinkLocation, type TensorToWrite, writePythonJson, writeSafetensors } from '@peft/core';
import type { PretrainedModel } from './shared/PretrainedModel';

export interface SaveModelOptions {
  /** The type of the values in the file. @default 'float32' */
  dtype?: 'float32' | 'float16' | 'bfloat16';
  /** Bytes of a file at most; larger models are written in several with an index. @default 2e9 */
  maxShardSize?: number;
}

const NAMES = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;
const WIDTHS = { F32: 4, F16: 2, BF16: 2, I64: 8 } as const;

/** Writes a model's `config.json` and its weights, as Hugging Face's libraries read them. */
export async function saveModel(
  model: PretrainedModel<never>,
  where: SinkLocation,
  { dtype = 'float32', maxShardSize = 2e9 }: SaveModelOptions = {},
): Promise<void> {
  const sink = await openSink(where);
  const tied = new Set();
  const shards: Record<string, TensorToWrite>[] = [{}];
  let size = 0;
  let total = 0;
  for (const [name, parameter] of namedParameters(model)) {
    // Tied weights stand in the file once, under the first of their names.
    if (tied.has(parameter)) continue;
    tied.add(parameter);
    const stored = parameter.role === 'counter' ? 'I64' : NAMES[dtype];
    const bytes = parameter.size * WIDTHS[stored];
    if (size > 0 && size + bytes > maxShardSize) {
      shards.push({});
      size = 0;
    }
    size += bytes;
    total += bytes;
    (shards.at(-1) as Record<string, TensorToWrite>)[name] = {
      dtype: stored,
      shape: parameter.shape,
      data: (await parameter.value.data()) as Float32Array,
    };
  }
  // Which biases and norms there are follows from model_type in Python.
  const { qkv_bias: _, qk_norm: __, ...config } = model.config as Record<string, unknown>;
  await sink.write('config.json', writePythonJson({ ...config, architectures: [model.auto_mapping.base_model_class], dtype }));
  if (Object.keys(model.generation_config).length > 0) await sink.write('generation_config.json', writePythonJson(model.generation_config));
  if (shards.length === 1) return sink.write('model.safetensors', toBytes(shards[0] as Record<string, TensorToWrite>));
  const weight_map: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file = `model-${pad(i + 1)}-of-${pad(shards.length)}.safetensors`;
    for (const name of Object.keys(shard)) weight_map[name] = file;
    await sink.write(file, toBytes(shard));
  }
  await sink.write('model.safetensors.index.json', writePythonJson({ metadata: { total_size: total }, weight_map }));
}

/** With the values where engines can use them without a copy. */
const toBytes = (tensors: Record<string, TensorToWrite>) => writeSafetensors(tensors, undefined, 64);

const pad = (n: number) => String(n).padStart(5, '0');
