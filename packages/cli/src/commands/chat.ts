import { createInterface } from 'node:readline';
import type { ChatMessage, TextTokenizer } from '@peft/models';
import { command } from '../command';
import { continueText } from '../continueText';
import { generateOptions, generationSettings } from '../generateOptions';
import { modelOptions, openTextModel } from '../openModel';
import { engineOptions, UsageError } from '../options';
import { startEngine } from '../startEngine';

export const chat = command({
  options: {
    ...modelOptions,
    system: { type: 'text', help: 'a message before the conversation' },
    ...generateOptions,
    max_new_tokens: { ...generateOptions.max_new_tokens, default: 256 },
    ...engineOptions,
  },
  examples: ['chat owner/assistant --system "You answer in one sentence."'],

  async run({ system, ...values }, output) {
    await startEngine(values, output);
    const opened = await openTextModel(values, output);
    if (opened.task !== 'CAUSAL_LM') throw new UsageError(`${values.model} is for ${opened.task}: only a language model chats`);
    const start: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
    const encode = encoder(opened.tokenizer);
    if (!encode.isChat) output.note('this model has no chat template: each line is continued as it stands');
    output.note('/reset begins anew, /exit ends; Ctrl-C stops an answer');

    const reader = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ', terminal: process.stdin.isTTY === true });
    let answer: AbortController | undefined;
    let interrupted = false;
    // On a terminal the reader gets Ctrl-C, not the process.
    reader.on('SIGINT', () => {
      if (answer) return answer.abort();
      interrupted = true;
      reader.close();
    });
    let messages = start;
    const ask = () => void (process.stdin.isTTY && reader.prompt());
    ask();
    for await (const line of reader) {
      if (line.trim() === '/exit') break;
      if (line.trim() === '/reset') messages = start;
      else if (line.trim() !== '') {
        messages = [...messages, { role: 'user', content: line }];
        answer = new AbortController();
        const settings = { ...generationSettings(values), num_return_sequences: 1, signal: answer.signal };
        const [content = ''] = await continueText(opened, encode(messages), settings, output.write);
        answer = undefined;
        messages = [...messages, { role: 'assistant', content }];
        output.write('\n');
        output.result({ role: 'assistant', content });
      }
      ask();
    }
    reader.close();
    return interrupted ? 130 : 0;
  },
});

/** A conversation as ids, up to where the answer begins. */
function encoder(tokenizer: TextTokenizer) {
  const apply = (messages: readonly ChatMessage[]) => tokenizer.applyChatTemplate(messages, { add_generation_prompt: true });
  const isChat = hasTemplate(() => apply([{ role: 'user', content: '' }]));
  const encode = (messages: readonly ChatMessage[]) =>
    isChat ? tokenizer.encode(apply(messages), { add_special_tokens: false }) : tokenizer.encode(String(messages.at(-1)?.content));
  return Object.assign(encode, { isChat });
}

function hasTemplate(apply: () => unknown): boolean {
  try {
    apply();
    return true;
  } catch {
    return false;
  }
}
