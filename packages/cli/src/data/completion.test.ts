import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AutoTokenizer, makeTokenizer, type TextTokenizer } from '@peft/models';
import { beforeAll, describe, expect, it } from 'vitest';
import { chatExample, completionExample, type LabelledIds, textExample } from './completion';

const folder = fileURLToPath(new URL('../../../../models/sotu-0.9m', import.meta.url));
const template =
  "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
let plain: TextTokenizer;
let chatty: TextTokenizer;
beforeAll(async () => {
  plain = await AutoTokenizer.fromPretrained(folder);
  const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8');
  const config = { ...JSON.parse(read('tokenizer_config.json')), chat_template: template };
  chatty = makeTokenizer({ 'tokenizer.json': read('tokenizer.json'), 'tokenizer_config.json': JSON.stringify(config) });
});

/** What is learnt, as text; and that labels are the ids themselves. */
function learnt({ input_ids, labels }: LabelledIds): string {
  expect(labels).toHaveLength(input_ids.length);
  expect(labels.every((label, i) => label === -100 || label === input_ids[i])).toBe(true);
  return plain.decode(labels.filter((label) => label !== -100));
}

describe('what is learnt', () => {
  it('is all of a text, and its end', () => {
    const example = textExample('The union is strong.', plain);
    expect(example.labels).toEqual(example.input_ids);
    expect(learnt(example)).toMatch(/The union is strong\.<\/s>$/);
  });

  it('is the completion alone, and its end', () => {
    const example = completionExample('Tweet: the union Label:', ' strong', plain);
    expect(learnt(example)).toBe(' strong</s>');
    expect(plain.decode(example.input_ids)).toMatch(/Tweet: the union Label: strong<\/s>$/);
  });

  it('begins with a token that reaches over the end of the prompt', () => {
    const whole = plain.encode('the union');
    const example = completionExample('the un', 'ion', plain);
    expect(example.input_ids.slice(0, -1)).toEqual(whole);
    expect(learnt(example)).toMatch(/ion<\/s>$/);
  });

  it('is what the assistant says, turn by turn', () => {
    const turn = (role: string, content: string) => ({ role, content });
    const messages = [
      turn('system', 'Be brief.'),
      turn('user', 'one?'),
      turn('assistant', 'first'),
      turn('user', 'two?'),
      turn('assistant', 'second'),
    ];
    const { input_ids, labels } = chatExample(messages, chatty);
    expect(plain.decode(input_ids)).toContain('<user>two?');
    const runs = labels
      .map((label) => (label === -100 ? '|' : plain.decode([label])))
      .join('')
      .split(/\|+/)
      .filter(Boolean);
    expect(runs).toHaveLength(2);
    expect(runs.map((text) => text.trim())).toEqual(['first</s>', 'second</s>']);
    expect(() => chatExample([turn('user', 'one?')], chatty)).toThrow('no message of the role "assistant"');
    expect(() => chatExample(messages, plain)).toThrow('no chat template');
  });
});
