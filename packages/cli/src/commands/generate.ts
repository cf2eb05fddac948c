import { text } from 'node:stream/consumers';
import { classify } from '../classify';
import { command } from '../command';
import { continueText } from '../continueText';
import { generateOptions, generationSettings } from '../generateOptions';
import { interruptible } from '../interruptible';
import type { Output } from '../Output';
import { modelOptions, type OpenTextModel, openTextModel } from '../openModel';
import { engineOptions, UsageError } from '../options';
import { startEngine } from '../startEngine';

export const generate = command({
  options: {
    ...modelOptions,
    prompt: { type: 'list', help: 'what is continued, or classified [standard input]' },
    chat: { type: 'flag', help: "takes a prompt as a user's message, in the form of the model's template" },
    ...generateOptions,
    ...engineOptions,
  },
  examples: [
    'generate out/whale --prompt "The whale" --max_new_tokens 40',
    'generate models/sotu-0.9m --prompt "The whale" --do_sample --seed 1',
  ],

  async run({ prompt, chat, ...values }, output) {
    const prompts = prompt.length > 0 ? prompt : [(await text(process.stdin)).trimEnd()];
    if (prompts.includes('')) throw new UsageError('--prompt is missing');
    await startEngine(values, output);
    const opened = await openTextModel(values, output);
    for (const one of prompts) {
      if (opened.task === 'SEQ_CLS') await nameClass(opened, one, output);
      else {
        const { tokenizer } = opened;
        const asked = chat ? tokenizer.applyChatTemplate([{ role: 'user', content: one }], { add_generation_prompt: true }) : one;
        const ids = tokenizer.encode(asked, { add_special_tokens: !chat });
        if (!chat && opened.task === 'CAUSAL_LM') output.write(one);
        const [completion, ...more] = await interruptible((signal) =>
          continueText(opened, ids, { ...generationSettings(values), signal }, output.write),
        );
        output.write('\n');
        output.result({ prompt: one, completion, ...(more.length > 0 && { more }) });
      }
    }
  },
});

async function nameClass(opened: OpenTextModel, text: string, output: Output): Promise<void> {
  const scores = await classify(opened, text);
  const lines = Object.entries(scores).map(([label, share]) => `  ${(100 * share).toFixed(1).padStart(5)} %  ${label}`);
  output.result({ prompt: text, scores }, [text, ...lines].join('\n'));
}
