// What methods do on models of images, beside the reference cases.
import { adaLoraConfig } from '@peft/adalora';
import {
  type AnyTuner,
  disposeModule,
  getPeftModel,
  initialize,
  type ModelOutput,
  manualSeed,
  memory,
  memorySink,
  PeftModel,
  setWarningHandler,
  type Tuned,
  tunerOf,
} from '@peft/core';
import { ia3Config } from '@peft/ia3';
import { adaptionPromptConfig } from '@peft/llama-adapter';
import { type Lora, loraConfig } from '@peft/lora';
import { promptEncoderConfig } from '@peft/p-tuning';
import { prefixTuningConfig } from '@peft/prefix';
import { promptTuningConfig } from '@peft/prompt-tuning';
import { checkGradients } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import { AutoModelForImageClassification, AutoModelForSemanticSegmentation } from './auto';
import type { ImageBatch, VisionModel } from './shared/VisionModel';

let previous: ReturnType<typeof setWarningHandler>;
let batch: Required<Pick<ImageBatch, 'pixel_values'>>;
beforeAll(async () => {
  await useTestedEngine();
  previous = setWarningHandler(() => {});
  const pixel_values = tf.tensor4d(
    Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => Math.sin(0.37 * i)),
    [2, 3, 8, 8],
  );
  batch = { pixel_values };
});
afterAll(() => void setWarningHandler(previous));

const sizes = { image_size: 8, patch_size: 4, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 };
async function vit() {
  const model = await AutoModelForImageClassification.fromConfig({ model_type: 'vit', num_labels: 3, initializer_range: 0.4, ...sizes });
  manualSeed(3);
  initialize(model);
  return model;
}

const stages = {
  num_encoder_blocks: 2,
  depths: [1, 1],
  hidden_sizes: [4, 8],
  num_attention_heads: [1, 2],
  sr_ratios: [2, 1],
  mlp_ratios: [2, 1],
};
async function segformer() {
  const config = { model_type: 'segformer', num_labels: 3, initializer_range: 0.4, decoder_hidden_size: 4, strides: [2, 2], ...stages };
  const model = await AutoModelForSemanticSegmentation.fromConfig({ ...config, patch_sizes: [3, 3] });
  manualSeed(3);
  initialize(model);
  return model;
}

const classes = [2, 0];
const mask = [0, 1].map((b) => [0, 1, 2, 3].map((y) => [0, 1, 2, 3, 4].map((x) => (x + y + b === 4 ? 255 : (x * y + b) % 3))));
const logits = (model: { forward(batch: ImageBatch): ModelOutput }, more: object = {}) =>
  tf.tidy(() => Array.from((model.forward({ ...batch, ...more }).logits as tf.Tensor).dataSync()));
const distance = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));

const targets = ['query', 'projection'];
const ia3 = { target_modules: ['key', 'projection', 'output.dense'], feedforward_modules: ['output.dense'], init_ia3_weights: false };
const convolutions = ['query', 'sr', 'proj'];
type Case = [method: string, make: () => Promise<VisionModel>, config: object, labels: ImageBatch['labels']];
const cases: Case[] = [
  ['LoRA on ViT', vit, loraConfig({ r: 2, target_modules: targets, modules_to_save: ['classifier'], init_lora_weights: false }), classes],
  ['LoRA with DoRA on ViT', vit, loraConfig({ r: 2, target_modules: targets, use_dora: true, init_lora_weights: false }), classes],
  ['LoRA on all of ViT', vit, loraConfig({ r: 2, target_modules: 'all-linear', bias: 'all', init_lora_weights: false }), classes],
  ['AdaLoRA on ViT', vit, adaLoraConfig({ init_r: 2, target_r: 1, target_modules: targets, total_step: 10 }), classes],
  ['IA3 on ViT', vit, ia3Config(ia3), classes],
  [
    'LoRA on SegFormer',
    segformer,
    loraConfig({ r: 2, target_modules: convolutions, bias: 'lora_only', modules_to_save: ['decode_head'], init_lora_weights: false }),
    mask,
  ],
  ['LoRA on all of SegFormer', segformer, loraConfig({ r: 2, target_modules: 'all-linear', init_lora_weights: false }), mask],
  ['AdaLoRA on SegFormer', segformer, adaLoraConfig({ init_r: 2, target_r: 1, target_modules: convolutions, total_step: 10 }), mask],
  [
    'IA3 on SegFormer',
    segformer,
    ia3Config({ target_modules: ['key', 'dense2', 'sr', 'linear_fuse'], feedforward_modules: ['dense2', 'sr'], init_ia3_weights: false }),
    mask,
  ],
];

describe.each(cases)('%s', (_, make, config, labels) => {
  const adapted = async () => getPeftModel(await make(), config as never);

  it('changes what the model computes, survives saving, and merges to the same', async () => {
    const before = tf.memory().numTensors;
    const model = (await adapted()).eval();
    for (const parameter of Object.values(model.trainableParameters()))
      parameter.set(parameter.value.dataSync<'float32'>().map((value, i) => value + 0.2 * Math.sin(i + 1)));
    const changed = logits(model);
    expect(
      distance(
        changed,
        model.disableAdapter(() => logits(model)),
      ),
    ).toBeGreaterThan(1e-3);
    const sink = memorySink();
    await model.savePretrained(sink);
    const again = await PeftModel.fromPretrained(await make(), memory(sink.files), { tuners: [(config as Tuned<AnyTuner>)[tunerOf]] });
    expect(distance(logits(again), changed)).toBeLessThan(1e-6);
    again.dispose();
    const merged = model.mergeAndUnload();
    expect(distance(logits(merged), changed)).toBeLessThan(1e-5);
    getPeftModel(merged, loraConfig({ target_modules: ['query'] })).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('has gradients that finite differences confirm', async () => {
    const model = (await adapted()).eval();
    // To DoRA the length of a weight is a constant, so only its magnitudes have the gradients of the function.
    const chosen =
      'use_dora' in config && config.use_dora ? /magnitude/ : /layer\.1\.attention|projection|embeddings|block\.1|decode_head|bias$/;
    const some = Object.entries(model.trainableParameters()).flatMap(([name, one]) => (chosen.test(name) ? [one] : []));
    const few = some.filter(({ size }) => size <= 24).slice(0, 3);
    expect(few.length).toBeGreaterThan(1);
    const loss = () => model.forward({ ...batch, labels }).loss as tf.Scalar;
    tf.tidy(loss);
    const held = tf.memory().numTensors;
    checkGradients(loss, few, { epsilon: 0.01, tolerance: 1e-2 });
    expect(tf.memory().numTensors).toBe(held);
    model.dispose();
  });
});

it('a whole module of bare parameters can be trained, saved and loaded', async () => {
  const model = getPeftModel(await vit(), loraConfig({ r: 1, target_modules: ['query'], modules_to_save: ['embeddings'] }));
  const names = Object.keys(model.trainableParameters());
  expect(names).toContain('base_model.model.vit.embeddings.modules_to_save.cls_token');
  expect(names).toContain('base_model.model.vit.embeddings.modules_to_save.position_embeddings');
  const [token] = Object.entries(model.trainableParameters()).flatMap(([name, one]) => (name.endsWith('cls_token') ? [one] : []));
  checkGradients(() => model.forward({ ...batch, labels: classes }).loss as tf.Scalar, [token as never], {
    epsilon: 0.01,
    tolerance: 1e-2,
  });
  model.dispose();
});

it.each([
  ['ViT', vit, targets, 'classifier'],
  ['SegFormer', segformer, convolutions, 'decode_head'],
] as const)('mixes adapters in a batch of images: %s', async (_, make, target_modules, head) => {
  const config = () => loraConfig({ r: 2, target_modules: [...target_modules], modules_to_save: [head], init_lora_weights: false });
  const model = getPeftModel<VisionModel, Lora>(await make(), config()).eval();
  model.addAdapter('second', config());
  for (const [i, parameter] of Object.values(model.adapterState('second')).entries())
    parameter.set(parameter.value.dataSync<'float32'>().map((value) => value + 0.1 * Math.sin(i)));
  const mixed = logits(model, { adapter_names: ['second', '__base__'] });
  const half = mixed.length / 2;
  model.setAdapter('second');
  const second = logits(model);
  const bare = model.disableAdapter(() => logits(model));
  expect(distance(mixed, [...second.slice(0, half), ...bare.slice(half)])).toBeLessThan(1e-5);
  expect(distance(second, bare)).toBeGreaterThan(1e-3);
  expect(() => logits(model, { adapter_names: ['second'] })).toThrow('1 names for 2 rows');
  model.dispose();
});

it('methods that need text say so', async () => {
  const base = await vit();
  const text = { num_virtual_tokens: 3, task_type: 'SEQ_CLS' } as const;
  const refused: [object, RegExp][] = [
    [promptTuningConfig(text), /PROMPT_TUNING adapters are made of tokens: this model has no config or no inputEmbeddings/],
    [promptEncoderConfig(text), /P_TUNING adapters are made of tokens/],
    [prefixTuningConfig(text), /PREFIX_TUNING puts keys and values before those of the text, and this model takes no past_key_values/],
    [adaptionPromptConfig({ adapter_len: 2, adapter_layers: 1 }), /adaption prompts are known for .*, not for model_type "vit"/],
    [loraConfig({}), /there are no default target_modules for model_type "vit": name the layers to adapt/],
  ];
  for (const [config, message] of refused) expect(() => getPeftModel(base, config as never)).toThrow(message);
  const model = getPeftModel(base, loraConfig({ target_modules: ['query'] }));
  const grouped = adaLoraConfig({ target_modules: ['dwconv.dwconv'], total_step: 10, tinit: 0, tfinal: 2 });
  const images = await segformer();
  expect(() => getPeftModel(images, grouped)).toThrow('a convolution with groups cannot be adapted');
  expect(() => getPeftModel(images, loraConfig({ r: 2, target_modules: ['dwconv.dwconv'] }))).toThrow(
    "r 2 must be a multiple of the convolution's 8 groups",
  );
  disposeModule(images);
  await expect(async () => (model as unknown as { generate(options: object): unknown }).generate({})).rejects.toThrow('does not generate');
  model.dispose();
});
