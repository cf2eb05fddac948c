import { folderSink } from '@peft/core';
import { command } from '../command';
import { modelOptions, openModel } from '../openModel';
import { engineOptions, UsageError } from '../options';
import { startEngine } from '../startEngine';

/** What stands beside a model and is the same with an adapter in it. */
const COMPANIONS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'chat_template.jinja',
  'preprocessor_config.json',
];

export const merge = command({
  options: {
    ...modelOptions,
    model: { ...modelOptions.model, help: 'an adapter' },
    out: { type: 'text', value: 'FOLDER', required: true, help: 'where the merged model goes, with its tokenizer' },
    dtype: {
      type: 'text',
      value: 'TYPE',
      help: 'of the values in the file',
      choices: ['float32', 'float16', 'bfloat16'],
      default: 'float32',
    },
    safe_merge: { type: 'flag', help: 'refuses weights that are not finite' },
    ...engineOptions,
  },
  examples: ['merge out/whale --out out/whale-merged', 'merge owner/adapter --base models/llama --out out/merged --dtype bfloat16'],

  async run({ out, dtype, safe_merge, ...values }, output) {
    await startEngine(values, output);
    const { adapted, files } = await openModel(values, output);
    if (!adapted) throw new UsageError(`${values.model} is no adapter: there is nothing to merge`);
    await adapted.mergeAndUnload({ safeMerge: safe_merge }).savePretrained(out, { dtype });
    const sink = folderSink(out);
    for (const name of COMPANIONS) if (await files.has(name)) await sink.write(name, await files.read(name));
    output.result({ model: out }, `saved ${out}`);
  },
});
