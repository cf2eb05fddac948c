import { readdir } from 'node:fs/promises';
import { folder, pushToHub } from '@peft/core';
import { command } from '../command';

/** What adapters, models and tokenizers are made of; a folder may hold other files, which nobody asked to publish. */
const FILES = [
  /^README\.md$/,
  /^(adapter_config|config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^(adapter_model|model(-\d+-of-\d+)?)\.safetensors$/,
  /^(adapter_model|pytorch_model(-\d+-of-\d+)?)\.bin$/,
  /^(model\.safetensors|pytorch_model\.bin)\.index\.json$/,
  /^(merges|vocab)\.txt$/,
  /^(tokenizer|spiece|spm|sentencepiece\.bpe)\.model$/,
  /^chat_template\.jinja$/,
];

export const push = command({
  options: {
    folder: { type: 'text', positional: true, required: true, help: 'the folder of an adapter or a model' },
    repository: { type: 'text', positional: true, required: true, help: 'owner/name; it is made where there is none' },
    private: { type: 'flag', help: 'makes a new repository private' },
    revision: { type: 'text', value: 'BRANCH', help: 'the branch', default: 'main' },
    message: { type: 'text', help: 'the message of the commit', default: 'Upload with peft' },
  },
  examples: ['push out/whale owner/whale --private'],

  async run({ folder: from, repository, private: hidden, revision, message }, output) {
    const names = (await readdir(from).catch(() => [])).filter((name) => FILES.some((pattern) => pattern.test(name)));
    if (!names.some((name) => /^(adapter_)?config\.json$/.test(name)))
      throw new Error(`${from} is the folder of neither an adapter nor a model: it has no adapter_config.json and no config.json`);
    const source = folder(from);
    const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await source.read(name)] as const)));
    const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
    output.note(`sending ${names.length} files, ${(bytes / 1e6).toFixed(1)} MB: ${names.join(', ')}`);
    const url = await pushToHub(repository, files, { revision, commitMessage: message, ...(hidden && { private: true }) });
    output.result({ url, files: names }, url);
  },
});
