import { defineConfig } from 'tsup';

/** ESM and CJS with types; dependencies stay outside, above all @peft/core and TensorFlow.js. */
export default defineConfig({
  entry: { index: 'src/index.ts' },
  format: ['esm', 'cjs'],
  dts: true,
  clean: true,
  sourcemap: true,
  target: 'es2022',
});
