// What the benchmarks need and the project does not install: made once in .cache/, or named by PEFT_PYTHON and PEFT_NATIVE.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { installNative } from '@peft/cli';
import { root } from '../../scripts/workspace.mjs';

export const cache = join(root, '.cache');
const PACKAGES = ['torch==2.13.0', 'peft==0.21.0', 'transformers==5.18.0', 'safetensors==0.8.0'];

const run = (command, args) => {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr.slice(-2000)}`);
  return result.stdout;
};

/** A Python that has torch and PEFT. */
export function python(log) {
  const given = process.env.PEFT_PYTHON;
  const folder = join(cache, 'python');
  const program = given ?? join(folder, 'bin', 'python');
  if (!given && !existsSync(join(folder, 'ready'))) {
    log(`installing Python PEFT into ${folder}: two minutes, 1.5 GB`);
    mkdirSync(cache, { recursive: true });
    run('python3', ['-m', 'venv', folder]);
    run(program, ['-m', 'pip', 'install', '--quiet', '--retries', '1', '--disable-pip-version-check', ...PACKAGES]);
    run('touch', [join(folder, 'ready')]);
  }
  return {
    program,
    versions: run(program, ['-c', 'import torch, peft; print("torch", torch.__version__, "peft", peft.__version__)']).trim(),
  };
}

/** The folder of the native engine. */
export const native = async (log) => process.env.PEFT_NATIVE ?? installNative(join(cache, 'native'), log);
