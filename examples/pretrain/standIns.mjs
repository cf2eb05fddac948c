// What each stand-in is and how it is taught.
import {
  add,
  Generator,
  gelu,
  headCrossEntropy,
  initialize,
  LayerNorm,
  Linear,
  linear,
  parameters,
  reshape,
  setTraining,
} from '@peft/core';
import {
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForSemanticSegmentation,
  AutoModelForSeq2SeqLM,
  AutoModelForSpeechSeq2Seq,
  imageProcessor,
} from '@peft/models';
import {
  dataCollatorForLanguageModeling,
  dataCollatorForSeq2Seq,
  dataCollatorForSpeechSeq2Seq,
  dataCollatorWithPadding,
} from '@peft/train';
import { comparisons, texts as pairTexts } from './pairs.mjs';
import { classes, streets } from './scenes.mjs';
import { lessons } from './sentences.mjs';
import { clips, extractor, padded } from './speech.mjs';
import { texts as tweetTexts } from './tweets.mjs';

/** @param fixed a parameter that stays what it is */
const trainable = (modules, fixed) => {
  const all = modules.flatMap((module) => parameters(module)).filter((parameter) => parameter !== fixed);
  for (const parameter of all) parameter.trainable = true;
  return all;
};

/** Fills gaps in financial news and answers questions about them. */
export const t5 = {
  name: 'phrases-t5-0.3m',
  examples: lessons,
  texts: ({ input, target }) => [input, target].map((text) => text.replace(/<extra_id_\d>/g, '')),
  tokenizer: {
    specials: ['<pad>', '</s>', '<unk>', '<extra_id_0>', '<extra_id_1>', '<extra_id_2>'],
    size: 768,
    prefixSpace: true,
    processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    pad_token: '<pad>',
    eos_token: '</s>',
    unk_token: '<unk>',
    model_max_length: 512,
  },
  lr: 3e-3,
  batch_size: 32,
  steps: 3000,
  model: () =>
    AutoModelForSeq2SeqLM.fromConfig({
      model_type: 't5',
      vocab_size: 768,
      d_model: 64,
      d_kv: 16,
      d_ff: 192,
      num_layers: 2,
      num_heads: 4,
      relative_attention_num_buckets: 32,
      dropout_rate: 0,
      feed_forward_proj: 'relu',
      decoder_start_token_id: 0,
      pad_token_id: 0,
      eos_token_id: 1,
    }),
  training(model, tokenizer) {
    const collate = dataCollatorForSeq2Seq(tokenizer);
    const encode = ({ input, target }) => ({ input_ids: tokenizer.encode(input), labels: tokenizer.encode(target) });
    return {
      parameters: trainable([model]),
      loss: (batch) => model.forward({ ...collate(batch.map(encode)), return_logits: false }).loss,
    };
  },
};

/** Tells tweets, replies to them, and what is asked about them. */
export const bloom = {
  name: 'tweets-bloom-0.3m',
  examples: tweetTexts,
  texts: (text) => [text],
  tokenizer: {
    specials: ['<unk>', '<s>', '</s>', '<pad>'],
    size: 768,
    bos_token: '<s>',
    eos_token: '</s>',
    pad_token: '<pad>',
    unk_token: '<unk>',
    padding_side: 'left',
  },
  // With AdamW's usual 0.999 and a higher rate its first layer's attention becomes unstable.
  lr: 1e-3,
  betas: [0.9, 0.95],
  batch_size: 32,
  steps: 1200,
  model: () =>
    AutoModelForCausalLM.fromConfig({
      model_type: 'bloom',
      vocab_size: 768,
      hidden_size: 64,
      n_layer: 4,
      n_head: 4,
      initializer_range: 0.05,
      bos_token_id: 1,
      eos_token_id: 2,
      pad_token_id: 3,
    }),
  training(model, tokenizer) {
    const collate = dataCollatorForLanguageModeling(tokenizer);
    const encode = (text) => ({ input_ids: [...tokenizer.encode(text), tokenizer.eos_token_id] });
    return {
      parameters: trainable([model]),
      loss: (batch) => model.forward({ ...collate(batch.map(encode)), return_logits: false }).loss,
    };
  },
};

/** Guesses words in two sentences. */
export const roberta = {
  name: 'pairs-roberta-0.3m',
  examples: pairTexts,
  texts: ({ text, pair }) => [text, pair],
  tokenizer: {
    specials: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
    size: 768,
    processor: { type: 'RobertaProcessing', sep: ['</s>', 2], cls: ['<s>', 0], trim_offsets: true, add_prefix_space: false },
    bos_token: '<s>',
    eos_token: '</s>',
    cls_token: '<s>',
    sep_token: '</s>',
    pad_token: '<pad>',
    unk_token: '<unk>',
    mask_token: '<mask>',
    model_max_length: 128,
  },
  lr: 2e-3,
  batch_size: 64,
  steps: 6000,
  model: () =>
    AutoModel.fromConfig({
      model_type: 'roberta',
      vocab_size: 768,
      hidden_size: 64,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      intermediate_size: 192,
      max_position_embeddings: 130,
      type_vocab_size: 1,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      initializer_range: 0.05,
      layer_norm_eps: 1e-5,
      bos_token_id: 0,
      pad_token_id: 1,
      eos_token_id: 2,
    }),
  training: (model, tokenizer) =>
    // The first word is asked for in every other text.
    guessing(model, tokenizer, (random) => (place) => random.next() < (place === 1 ? 0.5 : 0.15), [() => true]),
};

/** What `roberta` learns next: by the first word, how the two sentences go together. */
export const comparing = {
  ...roberta,
  from: roberta.name,
  seed: 3,
  examples: comparisons,
  lr: 1.5e-3,
  betas: [0.9, 0.98],
  batch_size: 48,
  steps: 1200,
  training(model, tokenizer) {
    const isFirst = (place) => place === 1;
    const isOther = (place) => place > 1;
    // Asked for is either that word, with all others to be seen, or some of the others; both weigh the same.
    const ask = (random) => (random.next() < 0.5 ? isFirst : (place) => isOther(place) && random.next() < 0.15);
    return guessing(model, tokenizer, ask, [isFirst, isOther]);
  },
};

/**
 * Words are hidden, and guessed.
 * @param ask tells of a text which places to ask for @param parts places whose losses are added up
 */
function guessing(model, tokenizer, ask, parts) {
  // Nothing here goes through it.
  model.pooler = null;
  const collate = dataCollatorWithPadding(tokenizer);
  const random = new Generator(2);
  const mask = tokenizer.encode('<mask>', { add_special_tokens: false })[0];
  // RoBERTa's head for guessing words, without its bias; it is not kept.
  const dense = new Linear(64, 64);
  const norm = new LayerNorm(64);
  for (const module of [dense, norm]) initialize(module);
  const encode = ({ text, pair }) => {
    const [ids] = tokenizer([text], { text_pair: [pair] }).input_ids;
    const isAsked = ask(random);
    const asked = ids.map((id, place) => id > 3 && isAsked(place));
    return { input_ids: ids.map((id, i) => (asked[i] ? mask : id)), labels: ids.map((id, i) => (asked[i] ? id : -100)) };
  };
  const head = { forward: (x) => linear(norm.forward(gelu(dense.forward(x))), model.embeddings.word_embeddings.weight) };
  return {
    parameters: trainable([model, dense, norm]),
    loss(batch) {
      const { labels, ...inputs } = collate(batch.map(encode));
      const T = inputs.input_ids[0].length;
      // Texts stand at any place, so that all positions are learnt.
      const from = 2 + random.integer(128 - T);
      const position_ids = inputs.input_ids.map((row) => row.map((_, i) => from + i));
      const hidden = reshape(model.run({ ...inputs, position_ids }).hidden, [-1, 64]);
      const flat = labels.flatMap((row) => [...row, ...new Array(T - row.length).fill(-100)]);
      const losses = parts.map((isPart) => {
        const asked = flat.map((id, i) => (isPart(i % T) ? id : -100));
        return headCrossEntropy(hidden, head, asked);
      });
      return losses.reduce((sum, loss) => add(sum, loss));
    },
  };
}

const speechTokens = ['<|endoftext|>', '<|startoftranscript|>', '<|notimestamps|>'];

/** Writes down what men say in short sentences. */
export const whisper = {
  name: 'espeak-whisper-0.3m',
  examples: clips,
  texts: ({ text }) => [text],
  processor: extractor,
  tokenizer: {
    specials: speechTokens,
    size: 384,
    prefixSpace: true,
    processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<|startoftranscript|>', type_id: 0 } },
        { SpecialToken: { id: '<|notimestamps|>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<|endoftext|>', type_id: 0 } },
      ],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: Object.fromEntries(speechTokens.map((id, i) => [id, { id, ids: [i], tokens: [id] }])),
    },
    tokenizer_class: 'WhisperTokenizer',
    add_prefix_space: true,
    bos_token: '<|endoftext|>',
    eos_token: '<|endoftext|>',
    pad_token: '<|endoftext|>',
    unk_token: '<|endoftext|>',
  },
  lr: 2e-3,
  batch_size: 16,
  steps: 2000,
  async model(tokenizer) {
    const model = await AutoModelForSpeechSeq2Seq.fromConfig({
      model_type: 'whisper',
      vocab_size: tokenizer.length,
      num_mel_bins: extractor.feature_size,
      d_model: 64,
      encoder_layers: 3,
      encoder_attention_heads: 4,
      encoder_ffn_dim: 192,
      decoder_layers: 2,
      decoder_attention_heads: 4,
      decoder_ffn_dim: 192,
      init_std: 0.08,
      max_source_positions: 75,
      max_target_positions: 32,
      pad_token_id: 0,
      bos_token_id: 0,
      eos_token_id: 0,
      decoder_start_token_id: 1,
      begin_suppress_tokens: null,
    });
    model.generation_config = {
      pad_token_id: 0,
      bos_token_id: 0,
      eos_token_id: 0,
      decoder_start_token_id: 1,
      no_timestamps_token_id: 2,
      is_multilingual: false,
      max_length: 32,
    };
    return model;
  },
  training(model, tokenizer) {
    const collate = dataCollatorForSpeechSeq2Seq(model.config);
    const random = new Generator(2);
    const frames = 2 * model.config.max_source_positions;
    /** A clip that begins a little later, a few bands and a moment of it silent. */
    const encode = ({ text, bands }) => {
      const input_features = padded(bands, frames, random.integer(30));
      const silence = input_features[0].at(-1);
      const [band, moment] = [random.integer(40), random.integer(frames)];
      for (const [m, values] of input_features.entries())
        if (m >= band && m < band + 4) values.fill(silence);
        else values.fill(silence, moment, moment + 6);
      return { input_features, labels: tokenizer.encode(text) };
    };
    return {
      parameters: trainable([model], model.model.encoder.embed_positions.weight),
      loss: (batch) => model.forward({ ...collate(batch.map(encode)), return_logits: false }).loss,
    };
  },
};

/** What the scenes' classes are together. */
const kinds = {
  sky: ['sky'],
  ground: ['road', 'pavement'],
  buildings: ['building', 'fence'],
  plants: ['tree'],
  posts: ['pole', 'sign'],
  vehicles: ['car'],
  people: ['pedestrian', 'bicyclist'],
};

const frames = imageProcessor({ size: { height: 96, width: 128 } }, 'segformer');

/** Tells seven kinds of things in streets by day. */
export const segformer = {
  name: 'streets-segformer-0.3m',
  examples: (seed) => streets(seed, 'day'),
  lr: 3e-3,
  batch_size: 4,
  steps: 1000,
  processor: frames,
  model: () =>
    AutoModelForSemanticSegmentation.fromConfig({
      model_type: 'segformer',
      id2label: { ...Object.keys(kinds) },
      hidden_sizes: [16, 32, 64, 96],
      depths: [1, 1, 1, 1],
      num_attention_heads: [1, 2, 4, 6],
      mlp_ratios: [2, 2, 2, 2],
      decoder_hidden_size: 64,
      drop_path_rate: 0,
      classifier_dropout_prob: 0,
    }),
  training(model) {
    const kindOf = classes.map((name) => Object.values(kinds).findIndex((names) => names.includes(name)));
    const coarse = ({ segmentation_map: map }) => ({ ...map, data: map.data.map((number) => kindOf[number]) });
    setTraining(model, true);
    return {
      parameters: trainable([model]),
      loss: (batch) =>
        model.forward(
          frames(
            batch.map(({ image }) => image),
            { segmentation_maps: batch.map(coarse) },
          ),
        ).loss,
    };
  },
};
