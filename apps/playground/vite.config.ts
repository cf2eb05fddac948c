import { defineConfig } from 'vite';

/** With these two, browsers give pages the shared memory that wasm's threads need; without them all works on one thread. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  base: './', // it may lie in any folder of any server
  build: { target: 'es2022', assetsInlineLimit: 0, chunkSizeWarningLimit: 2000 },
  worker: { format: 'es' },
  resolve: { dedupe: ['@tensorflow/tfjs-core'] },
  server: { headers, fs: { allow: ['../..'] } },
  preview: { headers },
});
