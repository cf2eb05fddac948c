import type { Options } from '../options';

/** For commands that read data. */
export const dataOptions = {
  fields: {
    type: 'settings',
    value: 'FIELD=COLUMN',
    help: 'what a field is made of: a column, or a text with columns in it, such as "prompt=Q: {question} A:"',
  },
  read: { type: 'settings', help: "how files are read, by the names of @peft/train's loadDataset, such as delimiter=; or split=test" },
  pack: { type: 'flag', help: 'joins all texts and cuts them into examples of max_length [only of a file of plain text]' },
  labels: { type: 'list', value: 'NAME', help: 'a class by its name, in the order of their numbers [the names in the data, sorted]' },
  max_length: { type: 'number', value: 'TOKENS', help: 'tokens of an example at most [512, or what the model can read]' },
} as const satisfies Options;
