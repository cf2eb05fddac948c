import * as tf from '@tensorflow/tfjs-core';

/**
 * Registers tfjs-node's backend. Its package loads all of tfjs, layers and converters among them, which takes nearly as long as
 * TensorFlow's library; the backend itself needs tfjs-core alone, which is here already.
 */
export function loadBackend(require: NodeJS.Require, name: string): void {
  if (tf.findBackendFactory('tensorflow')) return;
  const main = require.resolve(name);
  const inPackage = (path: string) => require(require.resolve(`./${path}`, { paths: [main.replace(/dist[\\/]index\.js$/, '')] }));
  const standIns = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'].map((core) => require.resolve(core, { paths: [main] }));
  const replaced = standIns.map((file) => require.cache[file]);
  for (const file of standIns) require.cache[file] = { id: file, filename: file, loaded: true, exports: tf } as NodeJS.Module;
  try {
    inPackage('dist/register_all_kernels.js');
    const { NodeJSKernelBackend } = inPackage('dist/nodejs_kernel_backend.js');
    const binding = inPackage('lib/napi-v8/tfjs_binding.node');
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, name), 3);
  } finally {
    standIns.forEach((file, i) => {
      if (replaced[i]) require.cache[file] = replaced[i];
      else delete require.cache[file];
    });
  }
}
