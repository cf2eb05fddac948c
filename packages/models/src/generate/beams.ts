import { Decoding, type EncoderInput, type Forward, type Prompts } from './Decoding';
import { logSoftmax, scoreRules, topIndices } from './logits';
import { endTest, type Settings } from './options';
import { repeatPrompts } from './prompts';

interface Finished {
  ids: number[];
  score: number;
}

/** The beams of one prompt. */
interface Search {
  /** Sums of the running beams' log-probabilities, the best first. */
  running: number[];
  /** Whole sequences by score, the best first, `num_beams` at most. */
  finished: Finished[];
  /** Whether a running beam may yet become better than a whole sequence. */
  open: boolean;
}

/**
 * Beam search: follows the `num_beams` likeliest beginnings of every prompt and gives its likeliest whole sequences.
 * Scores are sums of log-probabilities over length to the power of `length_penalty`, as Hugging Face computes them.
 */
export async function searchBeams(
  forward: Forward,
  prompts: Prompts,
  input: EncoderInput | undefined,
  settings: Settings,
): Promise<number[][]> {
  const { num_beams: beams, num_return_sequences: wanted, max_new_tokens, length_penalty, early_stopping, eos, signal } = settings;
  const decoding = new Decoding(forward, repeatPrompts(prompts, beams), settings, input, beams);
  const hasEnded = endTest(settings);
  // Enough candidates that as many go on as there are beams, even where every beam's best one ends.
  const candidates = Math.max(2, 1 + eos.length) * beams;
  const searches: Search[] = prompts.ids.map(() => ({
    running: Array.from({ length: beams }, (_, i) => (i === 0 ? 0 : -1e9)),
    finished: [],
    open: true,
  }));
  const rules = scoreRules(settings);
  try {
    for (let step = 1; step <= max_new_tokens; step++) {
      const scores = await decoding.scores();
      const order: number[] = [];
      const tokens: number[] = [];
      let someGoOn = false;
      searches.forEach((search, p) => {
        const rows = scores.slice(p * beams, (p + 1) * beams);
        rows.forEach((row, i) => {
          logSoftmax(row);
          for (const rule of rules) rule(row, decoding.sequences[p * beams + i] as number[], step - 1);
        });
        const found = best(rows, search.running, candidates).map(({ beam, token, score }) => {
          const ids = [...(decoding.sequences[p * beams + beam] as number[]), token];
          return { beam, token, score, ids, ends: step === max_new_tokens || hasEnded(ids) };
        });
        if (search.open && !(early_stopping === true && search.finished.length === beams))
          for (const { ids, score, ends } of found.slice(0, beams))
            if (ends) search.finished.push({ ids, score: score / step ** length_penalty });
        search.finished = search.finished.sort((a, b) => b.score - a.score).slice(0, beams);
        const goOn = found.map((one) => ({ ...one, score: one.ends ? one.score - 1e9 : one.score })).sort((a, b) => b.score - a.score);
        const next = goOn.slice(0, beams);
        someGoOn ||= found.some(({ ends }) => !ends);
        search.running = next.map(({ score }) => score);
        order.push(...next.map(({ beam }) => p * beams + beam));
        tokens.push(...next.map(({ token }) => token));
        const length = early_stopping === 'never' && length_penalty > 0 ? max_new_tokens : step;
        const possible = (search.running[0] as number) / length ** length_penalty;
        search.open &&= search.finished.length < beams || possible > (search.finished.at(-1) as Finished).score;
      });
      decoding.reorder(order);
      decoding.push(tokens);
      const allWhole = early_stopping === true && searches.every(({ finished }) => finished.length === beams);
      if (!someGoOn || allWhole || !searches.some(({ open }) => open) || signal?.aborted) break;
    }
  } finally {
    decoding.dispose();
  }
  const results = searches.flatMap(({ finished, running }, p) => {
    // Cut off early, there may be too few whole sequences: running ones take their place.
    const rest = running.map((score, i) => ({ ids: decoding.sequences[p * beams + i] as number[], score }));
    return [...finished, ...rest].slice(0, wanted).map(({ ids }) => ids);
  });
  const longest = Math.max(...results.map((ids) => ids.length));
  return results.map((ids) => [...ids, ...Array.from({ length: longest - ids.length }, () => settings.pad_token_id ?? 0)]);
}

/** The likeliest next tokens over all beams of a prompt. */
function best(rows: readonly Float32Array[], running: readonly number[], count: number): { beam: number; token: number; score: number }[] {
  return rows
    .flatMap((row, beam) =>
      topIndices(row, count).map((token) => ({ beam, token, score: Math.fround((row[token] as number) + (running[beam] as number)) })),
    )
    .sort((a, b) => b.score - a.score || a.beam - b.beam || a.token - b.token)
    .slice(0, count);
}
