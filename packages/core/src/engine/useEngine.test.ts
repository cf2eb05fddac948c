import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { useEngine } from './index';

const quiet = () => {};

describe('useEngine', () => {
  it('starts wasm with one thread for one-shot work and says in one line why nothing better runs', async () => {
    const lines: string[] = [];
    const native = process.env.PEFT_NATIVE;
    delete process.env.PEFT_NATIVE;
    const engine = await useEngine({ log: (line) => lines.push(line) });
    if (native) process.env.PEFT_NATIVE = native;
    expect(engine).toMatchObject({ name: 'wasm', threads: 1 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^engine: wasm, 1 thread \(native: .*not installed\)$/);
    expect(tf.getBackend()).toBe('wasm');
  });

  it('names what cannot be used', async () => {
    await expect(useEngine({ engine: 'webgpu', log: quiet })).rejects.toThrow(
      /webgpu: (webgpu is not installed|there is no graphics card)/,
    );
    await expect(useEngine({ threads: 0, log: quiet })).rejects.toThrow('threads must be a whole number above 0');
  });

  it.skipIf(!process.env.PEFT_NATIVE || !existsSync(process.env.PEFT_NATIVE))('uses the native engine where there is one', async () => {
    expect(await useEngine({ engine: 'native', log: quiet })).toMatchObject({ name: 'native' });
  });
});
