// LoRA on Whisper: a model that writes down speech is adapted to a voice that it has not heard. After PEFT's guide:
// https://github.com/huggingface/peft/blob/main/examples/int8_training/peft_bnb_whisper_large_v2_training.ipynb
import { getPeftModel, manualSeed, PeftModel } from '@peft/core';
import { useEngine } from '@peft/core/engine';
import { lora, loraConfig } from '@peft/lora';
import { AutoModelForSpeechSeq2Seq, AutoProcessor } from '@peft/models';
import { readAudio } from '@peft/models/audio';
import { adamW, dataCollatorForSpeechSeq2Seq, dataLoader, linearSchedule, progress, Trainer, wordErrorRate } from '@peft/train';
import { expect, percent, readOptions, repeat } from '../common.mjs';
import { padded } from '../pretrain/speech.mjs';
import { readClips } from './clips.mjs';
import { speechFolder } from './speechFolder.mjs';

const options = readOptions(
  `node examples/6-speech-recognition/main.mjs [options]
  --trainer          train by the Trainer, not by a loop of one's own
  --guide <folder>   the guide's own model, openai/whisper-large-v2, on recordings of your own: WAV or FLAC, with metadata.csv
                     or metadata.jsonl (file_name, transcription)
  --model <id>       another model, such as openai/whisper-tiny
  --language <name>  what is spoken, for models of many languages [en]
  --file <path>      speech to write down, WAV or FLAC [data/speech/jfk.flac]
  --steps <n>        [100]
  --lr <rate>        [0.005; the guide's 0.001]`,
  {
    model: 'models/espeak-whisper-0.3m',
    guideModel: 'openai/whisper-large-v2',
    language: 'en',
    file: 'data/speech/jfk.flac',
    steps: 100,
    batch_size: 8,
    lr: undefined,
  },
);

const learning_rate = Number(options.lr ?? (options.guide ? 1e-3 : 5e-3));

await useEngine({ purpose: 'training' });
manualSeed(0);
const base = await AutoModelForSpeechSeq2Seq.fromPretrained(options.model);
// A model of one language knows no tokens for language and task.
const spoken = base.generation_config.is_multilingual ? { language: options.language, task: 'transcribe' } : {};
const processor = await AutoProcessor.fromPretrained(options.model, spoken);
const { train, held } = options.guide ? await recordings(options.guide) : await voice();
const collate = dataCollatorForSpeechSeq2Seq(base.config);

console.log(`${train.length} recordings to learn from, ${held.length} held out`);
const before = await judge('before', base);
const heard = { before: await writeDown(base, options.file) };

const config = loraConfig({ r: 32, lora_alpha: 64, target_modules: ['q_proj', 'v_proj'], lora_dropout: 0.05, bias: 'none' });
const model = getPeftModel(base, config);
model.printTrainableParameters();
await (options.trainer ? trainByTrainer : trainByHand)();
const after = await judge('after', model);
expect('of a new voice, less than half as many words are wrong', after.rate < before.rate / 2);

await model.savePretrained('out/voice');
heard.after = await writeDown(model, options.file);
const loaded = await PeftModel.fromPretrained(model.unload(), 'out/voice', { tuners: [lora] });
const again = await judge('loaded', loaded);
expect('loaded, the adapter writes down the same', again.texts.join('\n') === after.texts.join('\n'));

console.log(`${options.file}\n  before: ${heard.before}\n  after:  ${heard.after}`);
expect(
  'speech in a file becomes text',
  Object.values(heard).every((text) => /\p{L}/u.test(text)),
);

/** A woman's voice; the stand-in has heard men. makeVoice.mjs made it. */
async function voice() {
  const clips = await readClips('examples/6-speech-recognition/voice.safetensors');
  const all = clips.map(({ text, bands }) => ({
    text,
    input_features: padded(bands, 2 * base.config.max_source_positions),
    labels: processor.tokenizer.encode(text),
  }));
  return { train: all.slice(0, -32), held: all.slice(-32) };
}

/** Recordings of a folder, a tenth of them held out; each is read when it is asked for. */
async function recordings(folder) {
  const all = await speechFolder(folder);
  const dataset = (part) => ({
    length: part.length,
    async get(i) {
      const [input_features] = processor(await part[i].samples()).input_features;
      return { text: part[i].text, input_features, labels: processor.tokenizer.encode(part[i].text) };
    },
  });
  const cut = Math.floor(all.length * 0.9);
  return { train: dataset(all.slice(0, cut)), held: dataset(all.slice(cut)) };
}

/** The share of words written down wrong, over the recordings held out. */
async function judge(when, subject) {
  const [texts, references] = [[], []];
  for await (const rows of dataLoader(held, { batch_size: 2 * options.batch_size, collate: (rows) => rows })) {
    const ids = await subject.generate({ ...spoken, input_features: rows.map((row) => row.input_features) });
    texts.push(...processor.batchDecode(ids, { skip_special_tokens: true }).map(plain));
    references.push(...rows.map(({ text }) => plain(text)));
  }
  const rate = wordErrorRate(texts, references);
  console.log(`${when.padEnd(8)} word error rate ${percent(rate)}`);
  for (const [i, text] of texts.slice(0, 3).entries()) console.log(`         "${text}" for "${references[i]}"`);
  return { rate, texts };
}

/** Case and punctuation do not count. */
function plain(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{M}\p{N}']+/gu, ' ').trim(); // biome-ignore format: one thing
}

/** From a file to text, as much at once as the model reads. */
async function writeDown(subject, file) {
  const { sampling_rate, n_samples } = processor.feature_extractor;
  const samples = await readAudio(file, { sampling_rate });
  const texts = [];
  for (let at = 0; at < samples.length; at += n_samples) {
    const ids = await subject.generate({ ...spoken, ...processor(samples.subarray(at, at + n_samples)) });
    texts.push(...processor.batchDecode(ids, { skip_special_tokens: true }).map((text) => text.trim()));
  }
  return texts.join(' ');
}

async function trainByHand() {
  const loader = dataLoader(train, { batch_size: options.batch_size, shuffle: true, seed: 0, collate, dropLast: true });
  const optimizer = adamW(model, { lr: learning_rate });
  const scheduler = linearSchedule(optimizer, { warmupSteps: 5, totalSteps: options.steps });
  model.train();
  for await (const { batch, update } of progress(repeat(loader, options.steps), { total: options.steps, label: 'train' })) {
    const loss = optimizer.backward(() => model.forward({ ...batch, return_logits: false }).loss);
    optimizer.step();
    scheduler.step();
    optimizer.zeroGrad();
    update({ loss });
  }
  model.eval();
}

async function trainByTrainer() {
  const { steps: max_steps, batch_size: per_device_train_batch_size } = options;
  const args = { max_steps, learning_rate, per_device_train_batch_size, warmup_steps: 5, seed: 0 };
  await new Trainer({ model, args, train_dataset: train, data_collator: collate }).train();
}
