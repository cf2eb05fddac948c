import { existsSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { hubEnvironment } from '@peft/core';
import { fusedBuild } from '@peft/core/engine';
import { command } from '../command';
import { installNative } from '../installNative';
import { METHOD_NAMES } from '../methods';
import type { Output } from '../Output';
import { engineOptions } from '../options';
import { nativeFolder, startEngine } from '../startEngine';
import { versionOf } from '../versionOf';

const PACKAGES = ['cli', 'core', 'models', 'train', 'auto'].map((name) => `@peft/${name}`);
const ENGINES = ['tfjs-core', 'tfjs-backend-wasm', 'tfjs-node', 'tfjs-node-gpu'].map((name) => `@tensorflow/${name}`);

export const doctor = command({
  options: {
    install_native: {
      type: 'flag',
      help: 'installs the native engine, which is several times faster; where its download fails, builds it',
    },
    folder: { type: 'text', value: 'FOLDER', help: 'where that goes [PEFT_NATIVE, else peft/native in ~/.cache]' },
    ...engineOptions,
  },
  examples: ['doctor', 'doctor --install-native'],

  async run({ install_native, folder, ...values }, output) {
    if (install_native) {
      const installed = await installNative(folder ?? nativeFolder(), output.note);
      output.note(
        `the native engine is in ${installed}${folder === undefined ? '' : `; commands look there with PEFT_NATIVE=${installed}`}`,
      );
      process.env.PEFT_NATIVE = installed;
    }
    const facts = await examine(values, output);
    output.result(facts, describe(facts));
    return facts.problems.length > 0 ? 1 : 0;
  },
});

type Facts = Awaited<ReturnType<typeof examine>>;

async function examine(values: Parameters<typeof startEngine>[0], output: Output) {
  const problems: string[] = [];
  const engine = await startEngine(values, { ...output, quiet: true }, 'training').catch(
    (error: Error) => void problems.push(error.message),
  );
  const missing = METHOD_NAMES.map((name) => `@peft/${name}`).filter((name) => versionOf(name) === undefined);
  const versions = [...PACKAGES, ...METHOD_NAMES.map((name) => `@peft/${name}`), ...ENGINES].map(
    (name) => [name, versionOf(name)] as const,
  );
  return {
    engine: engine ? { name: engine.name, description: engine.description, threads: engine.threads, not_used: engine.notUsed } : null,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    versions: Object.fromEntries(versions.filter(([, version]) => version !== undefined)),
    native: {
      folder: nativeFolder(),
      installed: existsSync(nativeFolder()),
      lacks_fused: engine?.name === 'native' && !engine.description.includes('fused kernels') && (await fusedBuild()) !== undefined,
    },
    hub: await hubEnvironment(),
    missing,
    problems,
  };
}

function describe({ engine, node, platform, cores, memory, versions, native, hub, missing, problems }: Facts): string {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const advice = [
    ...problems.map((problem) => `problem: ${problem}`),
    ...(engine && engine.name !== 'native' ? ['faster: peft doctor --install-native'] : []),
    ...(native.lacks_fused ? ['a little faster: peft doctor --install-native compiles the fused kernels'] : []),
    ...(missing.length > 0 ? [`methods that are not installed: npm install ${missing.join(' ')}`] : []),
    ...(hub.token ? [] : ['no HF_TOKEN: pushing, and repositories that are not public, need one']),
  ];
  return [
    `engine     ${engine?.description ?? 'none'}`,
    ...(engine?.not_used ?? []).map((reason) => `           not used: ${reason}`),
    `node       ${node}, ${platform}`,
    `machine    ${cores} cores, ${gigabytes(memory.total)} of memory, ${gigabytes(memory.free)} free`,
    `hub        ${hub.endpoint}${hub.offline ? ', offline' : ''}, token ${hub.token ? 'set' : 'not set'}, cache ${hub.cache}`,
    'packages',
    ...Object.entries(versions).map(([name, version]) => `  ${name} ${version}`),
    ...(advice.length > 0 ? ['', ...advice] : []),
  ].join('\n');
}
