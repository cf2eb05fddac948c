import { defineConfig } from 'tsup';

/** Every package builds the same way: ESM and CJS with types, dependencies left outside. */
export const library = (entry: Record<string, string> = { index: 'src/index.ts' }) =>
  defineConfig({
    entry,
    format: ['esm', 'cjs'],
    dts: true,
    clean: true,
    sourcemap: true,
    treeshake: true,
    splitting: true,
    target: 'es2022',
    removeNodeProtocol: false, // bundlers for the browser must see what is Node's
    tsconfig: 'tsconfig.json',
  });
