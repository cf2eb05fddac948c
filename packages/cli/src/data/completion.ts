import type { ChatMessage, TextTokenizer } from '@peft/models';
import type { Example } from '@peft/train';

/** Ids with labels: what is to be learnt of each place, −100 where nothing is. */
export interface LabelledIds extends Example {
  input_ids: number[];
  labels: number[];
}

/** A text, all of which is learnt, its end included. */
export function textExample(text: string, tokenizer: TextTokenizer): LabelledIds {
  const input_ids = withEnd(tokenizer.encode(text), tokenizer);
  return { input_ids, labels: [...input_ids] };
}

/** A text that is learnt from where the prompt ends. */
export function completionExample(prompt: string, completion: string, tokenizer: TextTokenizer): LabelledIds {
  const input_ids = withEnd(tokenizer.encode(prompt + completion), tokenizer);
  const learnt = shared(withoutEnd(tokenizer.encode(prompt), tokenizer), input_ids);
  return { input_ids, labels: input_ids.map((id, i) => (i < learnt ? -100 : id)) };
}

/** A conversation, in the form of the model's template; what the assistant says is learnt. Errors: no template, nothing said by the assistant. */
export function chatExample(messages: readonly ChatMessage[], tokenizer: TextTokenizer): LabelledIds {
  const encode = (count: number, add_generation_prompt = false) =>
    tokenizer.encode(tokenizer.applyChatTemplate(messages.slice(0, count), { add_generation_prompt }), { add_special_tokens: false });
  const input_ids = encode(messages.length);
  const labels = input_ids.map(() => -100);
  messages.forEach(({ role }, i) => {
    if (role !== 'assistant') return;
    const [from, to] = [i === 0 ? 0 : shared(encode(i, true), input_ids), shared(encode(i + 1), input_ids)];
    for (let at = from; at < to; at++) labels[at] = input_ids[at] as number;
  });
  if (labels.every((label) => label === -100))
    throw new Error('a conversation holds no message of the role "assistant", so nothing can be learnt of it');
  return { input_ids, labels };
}

/** How many ids two texts begin with alike: a token that reaches over the end of a prompt is part of what follows. */
function shared(prompt: readonly number[], whole: readonly number[]): number {
  const differs = prompt.findIndex((id, i) => id !== whole[i]);
  return differs < 0 ? prompt.length : differs;
}

const withEnd = (ids: number[], { eos_token_id: end }: TextTokenizer): number[] =>
  end === null || ids.at(-1) === end ? ids : [...ids, end];
/** Some tokenizers put the end behind every text. */
const withoutEnd = (ids: number[], { eos_token_id: end }: TextTokenizer): number[] => (ids.at(-1) === end ? ids.slice(0, -1) : ids);
