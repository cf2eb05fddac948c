// Made-up sentences of 45 words, and speech of them, synthesised by espeak-ng (Debian's package of that name). All comes of a seed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Generator } from '@peft/core';
import { whisperFeatureExtractor } from '@peft/models';
import { readAudio } from '@peft/models/audio';

const openers = ['and', 'so', 'now', 'please'];
const verbs = ['ask', 'tell', 'show', 'help'];
const owners = ['my', 'your', 'our', 'the'];
const kinds = ['fellow', 'old', 'new', 'good'];
const nouns = ['americans', 'friends', 'country', 'people', 'sailors', 'city'];
const questions = ['what', 'when', 'where', 'how'];
const persons = ['you', 'we', 'they'];
const others = ['you', 'us', 'them'];
const auxiliaries = ['can', 'will', 'must'];
const deeds = ['do', 'go', 'see', 'stay'];
const relations = ['for', 'with'];
const ends = ['today', 'together', 'tonight'];

/** One sentence of two to eight words. */
function sentence(random) {
  const pick = (list) => list[random.integer(list.length)];
  const maybe = (list, share = 0.5) => (random.next() < share ? [pick(list)] : []);
  const people = () => [pick(owners), ...maybe(kinds, 0.4), pick(nouns)];
  const act = () => [pick(auxiliaries), ...maybe(['not'], 0.2), pick(deeds)];
  return pick([
    () => [...maybe(openers), pick(verbs), ...people()],
    () => [pick(verbs), ...maybe(['not'], 0.3), pick(questions), pick(persons), ...act()],
    () => [...maybe(openers), pick(persons), ...act(), ...maybe(ends, 0.6)],
    () => [...maybe(questions), ...people(), ...act(), ...(random.next() < 0.5 ? [pick(relations), pick(others)] : [])],
    () => [pick(persons), ...act(), pick(relations), ...people()],
    () => [...maybe(openers, 0.7), ...people()],
  ])().join(' ');
}

/** So many sentences, none of them twice. @param without sentences that are not to come */
export function sentences(count, seed, without = []) {
  const random = new Generator(seed);
  const all = new Set(without);
  while (all.size < without.length + count) all.add(sentence(random));
  return [...all].slice(without.length);
}

/** What the stand-in hears: 40 bands every 20 ms, 3 seconds at once. */
export const extractor = whisperFeatureExtractor({ feature_size: 40, hop_length: 320, chunk_length: 3 });

const run = promisify(execFile);

/**
 * Has a text read aloud.
 * @param how the voice, its speed in words a minute, its pitch from 0 to 99
 * @returns the features without the silence behind the speech, [mels][frames]
 */
export async function speak(text, { voice, speed, pitch }) {
  const given = ['-v', voice, '-s', String(speed), '-p', String(pitch), '--stdout', text];
  const { stdout } = await run('espeak-ng', given, { encoding: 'buffer', maxBuffer: 1 << 26 });
  const samples = await readAudio(stdout);
  const [bands] = extractor(samples).input_features;
  return bands.map((band) => band.subarray(0, Math.ceil(samples.length / extractor.hop_length)));
}

/** Features as long as the model reads, [mels][frames]. @param start frames of silence before the speech */
export function padded(bands, frames, start = 0) {
  // The quietest that features hold is 2 below the loudest.
  const silence = bands.reduce((most, band) => band.reduce((a, b) => Math.max(a, b), most), -Infinity) - 2;
  return bands.map((band) => {
    const wide = new Float32Array(frames).fill(silence);
    wide.set(band.subarray(0, frames - start), start);
    return wide;
  });
}

const voices = ['en-us', 'en-us+m1', 'en-us+m3', 'en-us+m5', 'en-gb+m7', 'en-gb-x-rp+m2'];

/** The sentences that the stand-in is pretrained on. */
export const lessons = (seed) => sentences(2400, seed);

/** Clips of them, read by men, fast or slow, high or low: each once, then the same ones without end. */
export async function* clips(seed) {
  const random = new Generator(seed);
  const between = (from, to) => from + random.integer(to - from + 1);
  const plans = lessons(seed).map((text) => ({
    text,
    how: { voice: voices[random.integer(voices.length)], speed: between(140, 200), pitch: between(25, 75) },
  }));
  const all = [];
  while (all.length < plans.length) {
    const next = plans.slice(all.length, all.length + 16);
    const heard = await Promise.all(next.map(async ({ text, how }) => ({ text, bands: await speak(text, how) })));
    all.push(...heard);
    yield* heard;
  }
  for (;;) yield all[random.integer(all.length)];
}
