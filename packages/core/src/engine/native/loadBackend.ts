import * as tf from '@tensorflow/tfjs-core';

/**
 * Registers tfjs-node's backend. Its package loads all of tfjs, layers and converters among them, and all its kernels, which
 * takes nearly as long as TensorFlow's library; the backend itself needs tfjs-core alone, which is here already, and of its
 * kernels those that are called.
 */
export function loadBackend(require: NodeJS.Require, name: string, fs: typeof import('node:fs')): void {
  if (tf.findBackendFactory('tensorflow')) return;
  const main = require.resolve(name);
  const folder = main.replace(/dist[\\/]index\.js$/, '');
  const standIns = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'].map((core) => require.resolve(core, { paths: [main] }));

  /** A file of the package, which takes our tfjs-core for tfjs. */
  function load(path: string) {
    const replaced = standIns.map((file) => require.cache[file]);
    for (const file of standIns) require.cache[file] = { id: file, filename: file, loaded: true, exports: tf } as NodeJS.Module;
    try {
      return require(require.resolve(`./${path}`, { paths: [folder] }));
    } finally {
      standIns.forEach((file, i) => {
        if (replaced[i]) require.cache[file] = replaced[i];
        else delete require.cache[file];
      });
    }
  }

  const { NodeJSKernelBackend } = load('dist/nodejs_kernel_backend.js');
  const binding = load('lib/napi-v8/tfjs_binding.node');
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, name), 3);
  // Each of these files holds the kernel that it is named after.
  for (const file of fs.readdirSync(`${folder}dist/kernels`)) {
    const kernelName = /^(\w+)\.js$/.exec(file)?.[1];
    if (!kernelName || kernelName.endsWith('_test')) continue;
    let kernel: tf.KernelConfig | undefined;
    const kernelFunc: tf.KernelFunc = (args) => {
      kernel ??= (Object.values(load(`dist/kernels/${file}`)) as tf.KernelConfig[]).find((one) => one?.kernelName === kernelName);
      if (!kernel) throw new Error(`${name} has no kernel ${kernelName}`);
      return kernel.kernelFunc(args);
    };
    tf.registerKernel({ kernelName, backendName: 'tensorflow', kernelFunc });
  }
}
