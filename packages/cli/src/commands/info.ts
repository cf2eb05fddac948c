import { readJson } from '@peft/core';
import { adapterInfo } from '../adapterInfo';
import { baseInfo } from '../baseInfo';
import { command } from '../command';
import { openLocation } from '../openLocation';
import { modelOptions } from '../openModel';

export const info = command({
  options: modelOptions,
  examples: ['info out/whale', 'info owner/adapter --base models/llama', 'info models/sotu-0.9m --json'],

  async run({ model: where, base }, output) {
    const source = await openLocation(where, output);
    const isAdapter = await source.has('adapter_config.json');
    const facts = isAdapter ? await adapterInfo(source, base, output) : await baseInfo((await readJson(source, 'config.json')) as never);
    const lines = Object.entries(facts).flatMap(([name, value]) => (isNothing(value) ? [] : [`${name.padEnd(12)}${readable(value)}`]));
    output.result(facts, lines.join('\n'));
    return 'fits' in facts && facts.fits === false ? 1 : 0;
  },
});

const isNothing = (value: unknown) => value === null || value === undefined || (Array.isArray(value) && value.length === 0);

function readable(value: unknown): string {
  if (Array.isArray(value)) return value.length > 1 ? value.map((item) => `\n  ${item}`).join('') : String(value[0]);
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([name, inner]) => `${name}=${typeof inner === 'string' ? inner : JSON.stringify(inner)}`)
      .join(' ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}
