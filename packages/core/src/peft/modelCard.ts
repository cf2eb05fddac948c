import type { BaseModel } from '../tuner/BaseModel';
import { PEFT_VERSION, type PeftConfig, tunerOf } from '../tuner/PeftConfig';
import type { AnyTuner } from '../tuner/Tuner';

const HEADING = '### Framework versions';
const VERSION = `- PEFT ${PEFT_VERSION}`;

/**
 * The `README.md` of an adapter's folder: what the hub needs to know of it, in the fields that Python PEFT writes.
 * @param existing a card that is there: its text and its other fields stay as they are
 */
export function modelCard(config: PeftConfig & { readonly [tunerOf]: AnyTuner }, base: BaseModel, existing?: string): string {
  const name = config.base_model_name_or_path;
  const tags = [...(name ? [`base_model:adapter:${name}`] : []), ...(config[tunerOf].tags ?? []), ...(base.config ? ['transformers'] : [])];
  const { fields, text } = parse(existing ?? newText(name));
  const tagged = [...new Set([...listOf(fields.get('tags')), ...tags.map(scalar)])].sort();
  if (name) fields.set('base_model', [`base_model: ${scalar(name)}`]);
  fields.set('library_name', ['library_name: peft']);
  if (config.task_type === 'CAUSAL_LM' && !fields.has('pipeline_tag')) fields.set('pipeline_tag', ['pipeline_tag: text-generation']);
  if (tagged.length > 0) fields.set('tags', ['tags:', ...tagged.map((tag) => `- ${tag}`)]);
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, lines]) => lines);
  return ['---', ...sorted, '---', withVersion(text)].join('\n');
}

const newText = (name: string | null) =>
  ['', '# Model card', '', `An adapter${name ? ` for ${name}` : ''}, trained with PEFT.`, ''].join('\n');

function withVersion(text: string): string {
  const lines = text.split('\n');
  if (lines.includes(VERSION)) return text;
  const at = lines.indexOf(HEADING);
  if (at < 0) return `${text.trimEnd()}\n\n${HEADING}\n\n${VERSION}\n`;
  lines.splice(at + 2, 0, VERSION);
  return lines.join('\n');
}

/** The lines of each field between the two `---`, by the field's name, and what follows. */
function parse(card: string): { fields: Map<string, string[]>; text: string } {
  const found = /^---\r?\n([\s\S]*?\r?\n)?---[ \t]*(?:\r?\n|$)/.exec(card);
  const fields = new Map<string, string[]>();
  let current = '';
  for (const line of (found?.[1] ?? '').split(/\r?\n/)) {
    current = /^([^\s#:-][^:]*):/.exec(line)?.[1] ?? current;
    if (line !== '') fields.set(current, [...(fields.get(current) ?? []), line]);
  }
  return { fields, text: card.slice(found?.[0].length ?? 0) };
}

/** The items of a list as YAML writes them, one a line or all in brackets. */
function listOf([first = '', ...rest]: readonly string[] = []): string[] {
  const inline = /:\s*\[(.*)\]\s*$/.exec(first)?.[1];
  const items = inline === undefined ? rest.map((line) => line.replace(/^\s*-\s*/, '')) : inline.split(',');
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** A text as YAML reads it back. */
const scalar = (text: string): string =>
  /^[A-Za-z](?:[\w./-]|:(?=\w))*$/.test(text) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(text) ? text : JSON.stringify(text);
