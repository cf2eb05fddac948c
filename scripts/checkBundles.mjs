// What an application's bundle holds and weighs when it imports a few names, measured on what was built.
//   node scripts/checkBundles.mjs [--update]   --update records today's sizes in bundles.json
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { packages, readJson, root } from './workspace.mjs';

const file = join(root, 'bundles.json');
const allowance = 1.05;

/** What a method's code cannot do without: its type in files and the names of its tensors. */
const traces = {
  lora: /['"`]LORA['"`]|lora_embedding_A/,
  ia3: /['"`]IA3['"`]|ia3_l/,
  adalora: /['"`]ADALORA['"`]|ranknum/,
  'prompt-tuning': /['"`]PROMPT_TUNING['"`]/,
  prefix: /['"`]PREFIX_TUNING['"`]/,
  'p-tuning': /['"`]P_TUNING['"`]/,
  'llama-adapter': /['"`]ADAPTION_PROMPT['"`]|adaption_gate/,
  // No methods, but also nothing that others carry.
  audio: /fLaC/,
  images: /this PNG/,
};
const entries = {
  core: { code: "export { getPeftModel, PeftModel } from '@peft/core';", uses: ['core'] },
  'core+lora': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { lora, loraConfig } from '@peft/lora';",
    uses: ['core', 'lora'],
  },
  'core+adalora': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { adaLora, adaLoraConfig } from '@peft/adalora';",
    uses: ['core', 'adalora'],
  },
  'core+ia3': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { ia3, ia3Config } from '@peft/ia3';",
    uses: ['core', 'ia3'],
  },
  'core+llama-adapter': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { adaptionPromptConfig, llamaAdapter } from '@peft/llama-adapter';",
    uses: ['core', 'llama-adapter'],
  },
  'core+p-tuning': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { promptEncoderConfig, pTuning } from '@peft/p-tuning';",
    uses: ['core', 'p-tuning'],
  },
  'core+prompt-tuning': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { promptTuning, promptTuningConfig } from '@peft/prompt-tuning';",
    uses: ['core', 'prompt-tuning'],
  },
  'core+prefix': {
    code: "export { getPeftModel, PeftModel } from '@peft/core'; export { prefixTuning, prefixTuningConfig } from '@peft/prefix';",
    uses: ['core', 'prefix'],
  },
  'models/audio': { code: "export { readAudio } from '@peft/models/audio';", uses: ['core', 'models', 'audio'] },
  'models/images': { code: "export { readImage } from '@peft/models/images';", uses: ['core', 'models', 'images'] },
  'models: AutoModelForCausalLM': { code: "export { AutoModelForCausalLM } from '@peft/models';", uses: ['core', 'models'] },
};

async function bundle(code) {
  const result = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    tsconfigRaw: {}, // tsconfig.json leads to the sources; this measures what was built
    // The application brings the engine; the hub's client and Node's modules are loaded only when they are used.
    external: ['@tensorflow/*', '@huggingface/hub', 'node:*'],
    logOverride: { 'ignored-bare-import': 'silent' },
  });
  const [output] = Object.values(result.metafile.outputs);
  const inputs = Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return {
    text: result.outputFiles[0].text,
    gzip: gzipSync(result.outputFiles[0].contents, { level: 9 }).length,
    atOnce: output.imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => path),
    from: new Set(inputs.map(([path]) => /(?:^|\/)packages\/([^/]+)\//.exec(path)?.[1]).filter(Boolean)),
  };
}

const recorded = existsSync(file) ? readJson(file) : {};
const sizes = {};
const problems = [];

for (const [name, { code, uses }] of Object.entries(entries)) {
  const { text, gzip, from, atOnce } = await bundle(code);
  sizes[name] = { gzip };
  console.log(`${name.padEnd(30)} ${String(gzip).padStart(7)} bytes gzipped, recorded ${recorded[name]?.gzip ?? 'nothing'}`);
  for (const other of from) if (!uses.includes(other)) problems.push(`${name} holds code of @peft/${other}`);
  for (const path of atOnce) if (path !== '@tensorflow/tfjs-core') problems.push(`${name} imports ${path} at once, which no browser can`);
  for (const [method, pattern] of Object.entries(traces)) {
    const found = pattern.exec(text)?.[0];
    if (found && !uses.includes(method)) problems.push(`${name} holds ${found}, which is of ${method}`);
  }
  for (const method of uses)
    if (traces[method] && !traces[method].test(text))
      problems.push(`${name} has no trace of ${method}: this check looks for the wrong names`);
  const budget = Math.floor((recorded[name]?.gzip ?? 0) * allowance);
  if (gzip > budget && !process.argv.includes('--update'))
    problems.push(
      `${name} weighs ${gzip} bytes gzipped, above its budget of ${budget}; if that is meant: node scripts/checkBundles.mjs --update`,
    );
}

for (const { manifest } of packages()) {
  const { text } = await bundle(`import '${manifest.name}';`);
  if (text.trim() !== '') problems.push(`importing ${manifest.name} for nothing leaves ${text.length} bytes in the bundle`);
}

if (process.argv.includes('--update')) writeFileSync(file, `${JSON.stringify(sizes, null, 2)}\n`);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
