import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./packages/${path}`, import.meta.url));

/** Tests read the packages' sources, so nothing has to be built first; test/dist.* runs what was built. */
export default defineConfig({
  resolve: {
    alias: [
      { find: '@peft/core/engine', replacement: source('core/src/engine/index.ts') },
      { find: '@peft/models/audio', replacement: source('models/src/audio/index.ts') },
      { find: '@peft/models/images', replacement: source('models/src/image/decode/node.ts') },
      { find: '@peft/train/data', replacement: source('train/src/data/index.ts') },
      { find: /^@peft\/([a-z0-9-]+)$/, replacement: source('$1/src/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'examples/*/src/**/*.test.ts'],
    environment: 'node',
    testTimeout: 60_000,
    maxWorkers: 2,
  },
});
