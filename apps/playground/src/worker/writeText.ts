import { type AnyCausalLM, type TextTokenizer, textStreamer } from '@peft/models';
import type { WriteRequest } from '../api';
import type { Adapted } from './studio';

/** Continues a prompt and tells the text as it comes. @returns the whole text, prompt included */
export async function writeText(
  subject: Adapted | AnyCausalLM,
  tokenizer: TextTokenizer,
  { prompt, tokens, temperature }: Omit<WriteRequest, 'adapter'>,
  signal: AbortSignal,
  tell: (text: string) => void,
): Promise<string> {
  const ids = tokenizer.encode(prompt, { add_special_tokens: false });
  if (ids.length === 0) throw new Error('the prompt is empty: give the text a beginning');
  const stream = textStreamer(tokenizer, tell);
  const [row] = await (subject as AnyCausalLM).generate({
    input_ids: [ids],
    max_new_tokens: tokens,
    repetition_penalty: 1.2,
    ...(temperature > 0 && { do_sample: true, temperature }),
    onToken: (token) => stream(token),
    signal,
  });
  return tokenizer.decode(row as number[], { skip_special_tokens: true });
}
