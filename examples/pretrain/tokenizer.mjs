// Learns a byte-level BPE tokenizer from texts and writes it as tokenizer.json: any text can be told in it, common words in one token.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How texts are cut into words, each with the space before it, as GPT-2 does. */
const word = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Bytes as characters that can be seen. */
const bytes = (() => {
  const seen = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(seen(byte) ? byte : next++));
})();

/**
 * Writes a tokenizer's files into a folder.
 * @param texts what to learn from @param specials tokens that come first in the vocabulary @param size of the vocabulary
 * @param settings what else stands in tokenizer_config.json, `processor`: the post-processor of tokenizer.json
 */
export async function writeTokenizer(folder, texts, { specials, size, prefixSpace = false, processor = null, ...settings }) {
  const vocabulary = [...specials, ...[...bytes].sort()];
  const merges = learn(texts, size - vocabulary.length, prefixSpace);
  vocabulary.push(...merges.map(([a, b]) => a + b));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: prefixSpace, trim_offsets: true, use_regex: true };
  const added = specials.map((content, id) => {
    // Gaps and masks take the spaces around them along, so that words look the same beside them.
    const strips = /^<(extra_id_\d+|mask)>$/.test(content);
    return { id, content, single_word: false, lstrip: strips, rstrip: strips && prefixSpace, normalized: false, special: true };
  });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: processor,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false, ...settings };
  await writeFile(join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/** The pairs to be joined, the most frequent first. */
function learn(texts, count, prefixSpace) {
  const counts = new Map();
  for (const text of texts)
    for (const piece of (prefixSpace ? ` ${text}` : text).match(word) ?? []) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const words = [...counts].map(([text, times]) => ({ times, parts: [...Buffer.from(text)].map((byte) => bytes[byte]) }));
  const merges = [];
  while (merges.length < count) {
    const pairs = new Map();
    for (const { times, parts } of words)
      for (let i = 1; i < parts.length; i++) {
        const key = `${parts[i - 1]} ${parts[i]}`;
        pairs.set(key, (pairs.get(key) ?? 0) + times);
      }
    let best;
    for (const [key, times] of pairs) if (!best || times > best.times || (times === best.times && key < best.key)) best = { key, times };
    if (!best) break;
    const [a, b] = best.key.split(' ');
    merges.push([a, b]);
    for (const one of words)
      for (let i = 1; i < one.parts.length; i++) if (one.parts[i - 1] === a && one.parts[i] === b) one.parts.splice(i - 1, 2, a + b);
  }
  return merges;
}
