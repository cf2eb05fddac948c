import { Parameter } from '@peft/core';
import type { Triplet } from './AdaLoraLayer';

/**
 * A `rank_pattern` by layer key. Python PEFT's may hold the adapter's name behind `lora_E`.
 * Errors: layers that are not adapted, masks of another length than init_r; all at once.
 */
export function masksByLayer(
  pattern: Readonly<Record<string, readonly boolean[]>> | null,
  keys: readonly string[],
  init_r: number,
): Record<string, readonly boolean[]> {
  const masks: Record<string, readonly boolean[]> = {};
  const wrong: string[] = [];
  for (const [name, mask] of Object.entries(pattern ?? {})) {
    const key = name.replace(/\.lora_E(\.[^.]+)?$/, '');
    if (!keys.includes(key)) wrong.push(`"${name}" is no adapted layer here`);
    else if (mask.length !== init_r) wrong.push(`"${name}" has ${mask.length} entries, and init_r is ${init_r}`);
    else masks[key] = mask;
  }
  if (wrong.length > 0) throw new Error(`rank_pattern does not fit: ${wrong.join('; ')}`);
  return masks;
}

/** The places where a mask says yes; all of init_r without a mask. */
export const positions = (mask: readonly boolean[] | undefined, init_r: number): number[] =>
  Array.from({ length: init_r }, (_, i) => i).filter((i) => mask?.[i] ?? true);

/** New parameters that hold only some of the singular values with their vectors. */
export function select({ lora_A, lora_B, lora_E }: Triplet, rows: readonly number[]): Triplet {
  const rank = lora_E.size;
  const [out] = lora_B.shape as [number];
  const [, width] = lora_A.shape as [number, number];
  const [a, b, e] = [lora_A, lora_B, lora_E].map((one) => one.value.dataSync<'float32'>()) as [Float32Array, Float32Array, Float32Array];
  return {
    lora_A: filled([rows.length, width], (i) => a[(rows[Math.floor(i / width)] as number) * width + (i % width)] as number),
    lora_B: filled([out, rows.length], (i) => b[Math.floor(i / rows.length) * rank + (rows[i % rows.length] as number)] as number),
    lora_E: filled([rows.length, 1], (i) => e[rows[i] as number] as number),
  };
}

function filled(shape: [number, number], at: (index: number) => number): Parameter {
  const parameter = new Parameter(shape);
  parameter.set(Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => at(i)));
  return parameter;
}
