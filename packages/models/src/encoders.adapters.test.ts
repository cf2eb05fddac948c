// What Python PEFT 0.21 fails on with these models, and what it computes otherwise or not at all.
import { fileURLToPath } from 'node:url';
import {
  folder,
  getPeftModel,
  Linear,
  type ModelOutput,
  manualSeed,
  memory,
  memorySink,
  namedModules,
  type Parameter,
  PeftModel,
  setWarningHandler,
  type TextBatch,
} from '@peft/core';
import { ia3 } from '@peft/ia3';
import { loraConfig } from '@peft/lora';
import { promptEncoderConfig } from '@peft/p-tuning';
import { prefixTuning, prefixTuningConfig } from '@peft/prefix';
import { promptTuningConfig } from '@peft/prompt-tuning';
import { checkGradients } from '@peft/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useTestedEngine } from '../../testing/src/useTestedEngine';
import type { AutoClass } from './auto';
import * as autos from './auto';
import { fixturePath } from './fixtures/fixtures';
import type { TextModel } from './shared/TextModel';

const TASKS = { SEQ_CLS: 'SequenceClassification', TOKEN_CLS: 'TokenClassification', QUESTION_ANS: 'QuestionAnswering' } as const;
type Task = keyof typeof TASKS;
const TYPES = ['roberta', 'distilbert', 'deberta-v2'];

const load = (type: string, task: Task): Promise<TextModel> => {
  const auto = (autos as unknown as Record<string, AutoClass<TextModel>>)[`AutoModelFor${TASKS[task]}`] as AutoClass<TextModel>;
  return auto.fromPretrained(fixturePath(`encoders/${type}-${TASKS[task]}`));
};

const text = {
  input_ids: [
    [5, 9, 17, 3, 30],
    [7, 31, 12, 1, 1],
  ],
  attention_mask: [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ],
};
const batches: Record<Task, TextBatch> = {
  SEQ_CLS: { ...text, labels: [2, 0] },
  TOKEN_CLS: {
    ...text,
    labels: [
      [2, 0, 1, -100, 0],
      [0, 1, 2, -100, -100],
    ],
  },
  QUESTION_ANS: { ...text, start_positions: [1, 0], end_positions: [4, 2] },
};

/** Loss and logits of a pass, as numbers. */
const values = (forward: (batch: TextBatch) => ModelOutput, batch: TextBatch): number[] =>
  tf.tidy(() => {
    const { loss, logits, start_logits, end_logits } = forward(batch);
    return [loss, logits, start_logits, end_logits].flatMap((tensor) => (tensor ? Array.from(tensor.dataSync()) : []));
  });
const difference = (a: number[], b: number[]) => {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));
};
/** The gradients of some parameters are those of finite differences, and no tensors stay. */
function checkTraining(model: { forward(batch: TextBatch): ModelOutput }, batch: TextBatch, some: Parameter[]): void {
  const loss = () => model.forward(batch).loss as tf.Scalar;
  expect(some.length).toBeGreaterThan(0);
  tf.tidy(loss);
  const held = tf.memory().numTensors;
  checkGradients(loss, some, { epsilon: 0.01, tolerance: 1e-2 });
  expect(tf.memory().numTensors).toBe(held);
}

let previous: ReturnType<typeof setWarningHandler>;
beforeAll(async () => {
  await useTestedEngine();
  previous = setWarningHandler(() => {});
});
afterAll(() => void setWarningHandler(previous));
beforeEach(() => manualSeed(5));

describe.each(TYPES)('"all-linear" on %s', (type) => {
  it.each(['TOKEN_CLS', 'QUESTION_ANS'] as const)('leaves the head of %s out, which is trained as a whole', async (task) => {
    const base = await load(type, task);
    const plain = values((batch) => base.forward(batch), batches[task]);
    const head = task === 'TOKEN_CLS' ? 'classifier' : 'qa_outputs';
    const linear = [...namedModules(base)].filter(([, module]) => module instanceof Linear).map(([name]) => name);
    const model = getPeftModel(base, loraConfig({ task_type: task, r: 1, lora_alpha: 1, target_modules: 'all-linear' })).eval();
    expect(
      difference(
        values((batch) => model.forward(batch), batches[task]),
        plain,
      ),
    ).toBe(0);
    const trained = model.trainableParameters();
    const adapted = Object.keys(trained).filter((name) => name.includes('lora_A'));
    expect(adapted.map((name) => name.replace(/^base_model\.model\.(.*)\.lora_A.*$/, '$1')).sort()).toEqual(
      linear.filter((name) => name !== head).sort(),
    );
    const heads = Object.keys(trained).filter((name) => name.includes(`${head}.modules_to_save`));
    expect(heads).toHaveLength(2);
    // From B = 0 no gradient would reach A.
    for (const [name, parameter] of Object.entries(trained))
      if (name.includes('lora_B')) parameter.set(Array.from({ length: parameter.size }, (_, i) => 0.1 * Math.sin(i + 1)));
    const some = Object.entries(trained).filter(([name]) => /layer\.0\..*(attention|ffn).*lora_A|bias/.test(name));
    checkTraining(
      model,
      batches[task],
      some.map(([, parameter]) => parameter),
    );
    model.dispose();
  });
});

describe.each([
  ['distilbert', 'SEQ_CLS'],
  ['distilbert', 'TOKEN_CLS'],
  ['distilbert', 'QUESTION_ANS'],
  ['roberta', 'SEQ_CLS'],
  ['roberta', 'QUESTION_ANS'],
] as const)('a prefix on %s for %s', (type, task) => {
  const config = prefixTuningConfig({ task_type: task, num_virtual_tokens: 2 });

  it('is trained by the gradients of finite differences, and off gives the model as it was', async () => {
    const base = await load(type, task);
    const plain = values((batch) => base.forward(batch), batches[task]);
    const model = getPeftModel(base, config).eval();
    expect(
      difference(
        values((batch) => model.forward(batch), batches[task]),
        plain,
      ),
    ).toBeGreaterThan(1e-2);
    const off = model.disableAdapter(() => values((batch) => model.forward(batch), batches[task]));
    expect(difference(off, plain)).toBe(0);
    const prefix = Object.entries(model.trainableParameters()).filter(([name]) => name.includes('prompt_encoder'));
    checkTraining(
      model,
      batches[task],
      prefix.map(([, parameter]) => parameter),
    );
    model.dispose();
  });

  it('is what its keys and values are, behind which positions count on', async () => {
    const model = getPeftModel(await load(type, task), config).eval();
    const [prefix] = Object.values(model.adapterState()) as [Parameter];
    const base = await load(type, task);
    const sink = memorySink();
    await model.savePretrained(sink);
    const again = (await PeftModel.fromPretrained(base, memory(sink.files), { tuners: [prefixTuning] })) as typeof model;
    again.eval();
    expect(
      difference(
        values((batch) => again.forward(batch), batches[task]),
        values((batch) => model.forward(batch), batches[task]),
      ),
    ).toBe(0);
    const rows = prefix.value.arraySync() as number[][]; // [V, layers · 2 · C]
    const direct = await load(type, task);
    const heads = model.base_model.model.keyValueShapes()[0]?.heads as number;
    const explicit = (batch: TextBatch): ModelOutput => {
      const part = (layer: number, half: number) => {
        const own = rows.map((row) => row.slice((2 * layer + half) * 16, (2 * layer + half + 1) * 16)); // [V, C]
        const split = tf.transpose(tf.reshape(tf.tensor2d(own), [1, 2, heads, 16 / heads]), [0, 2, 1, 3]); // [1, H, V, D]
        return tf.tile(split, [2, 1, 1, 1]) as tf.Tensor4D;
      };
      return direct.forward({
        ...batch,
        attention_mask: text.attention_mask.map((row) => [1, 1, ...row]),
        past_key_values: [0, 1].map((layer) => ({ key: part(layer, 0), value: part(layer, 1) })),
      });
    };
    expect(
      difference(
        values(explicit, batches[task]),
        values((batch) => model.forward(batch), batches[task]),
      ),
    ).toBeLessThan(1e-5);
    model.dispose();
    again.dispose();
  });
});

it('a prefix on DeBERTa is refused when it is put on', async () => {
  const base = await load('deberta-v2', 'SEQ_CLS');
  expect(() => getPeftModel(base, prefixTuningConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 2 }))).toThrow(
    'takes no past_key_values: choose a method of prompts',
  );
});

describe('soft prompts', () => {
  it.each(TYPES)('on %s that are tokens give what the text with those tokens gives', async (type) => {
    const base = await load(type, 'SEQ_CLS');
    const input_ids = [[5, 9, 17, 3, 30]];
    const plain = values((batch) => base.forward(batch), { input_ids: [[8, 21, ...(input_ids[0] as number[])]] });
    const model = getPeftModel(base, promptTuningConfig({ task_type: 'SEQ_CLS', num_virtual_tokens: 2 })).eval();
    const [prompt] = Object.values(model.adapterState()) as [Parameter];
    const table = (base.inputEmbeddings() as unknown as { weight: Parameter }).weight.value.arraySync() as number[][];
    prompt.set([...(table[8] as number[]), ...(table[21] as number[])]);
    expect(
      difference(
        values((batch) => model.forward(batch), { input_ids }),
        plain,
      ),
    ).toBeLessThan(1e-5);
    model.dispose();
  });

  const tokens = { num_virtual_tokens: 2 };
  const learned = {
    'prompt tuning': (base: TextModel, task_type: Task) => getPeftModel(base, promptTuningConfig({ task_type, ...tokens })),
    'p-tuning': (base: TextModel, task_type: Task) =>
      getPeftModel(base, promptEncoderConfig({ task_type, ...tokens, encoder_hidden_size: 4 })),
  };
  const cases = Object.keys(learned).flatMap((method) => (Object.keys(TASKS) as Task[]).map((task) => [method, task] as const));

  it.each(cases)('%s trains on DistilBERT for %s', async (method, task) => {
    const base = await load('distilbert', task);
    const plain = values((batch) => base.forward(batch), batches[task]);
    const model = learned[method as keyof typeof learned](base, task);
    model.eval();
    const off = model.disableAdapter(() => values((batch) => model.forward(batch), batches[task]));
    expect(difference(off, plain)).toBe(0);
    const some = Object.entries(model.trainableParameters()).filter(([name]) => /prompt_encoder\.(embedding|mlp_head\.4\.bias)/.test(name));
    checkTraining(
      model,
      batches[task],
      some.map(([, parameter]) => parameter),
    );
    model.dispose();
  });
});

it('mixes adapters in one batch of DeBERTa, whose distances go through adapted layers, too', async () => {
  const options = { task_type: 'SEQ_CLS', r: 2, lora_alpha: 8, init_lora_weights: false } as const;
  const model = getPeftModel(
    await load('deberta-v2', 'SEQ_CLS'),
    loraConfig({ ...options, target_modules: ['query_proj', 'key_proj'] }),
  ).eval();
  model.addAdapter('second', loraConfig({ ...options, target_modules: ['key_proj', 'value_proj'] }));
  model.eval();
  const logits = (names?: string[]) => values((batch) => model.forward({ ...batch, ...(names && { adapter_names: names }) }), text);
  const mixed = logits(['second', 'default']);
  model.setAdapter('second');
  const second = logits();
  model.setAdapter('default');
  expect(difference(mixed, [...second.slice(0, 3), ...logits().slice(3)])).toBeLessThan(1e-5);
  expect(difference(mixed, logits())).toBeGreaterThan(1e-3);
  model.dispose();
});

it('merges IA3 on RoBERTa, which Python PEFT cannot: the merged model computes what the adapted one does', async () => {
  const reference = fileURLToPath(new URL('../../../fixtures/reference/roberta-seq-cls', import.meta.url));
  const base = await autos.AutoModelForSequenceClassification.fromPretrained(`${reference}/base`);
  const model = (await PeftModel.fromPretrained(base, folder(`${reference}/ia3`), { tuners: [ia3] })) as PeftModel<TextModel>;
  model.eval();
  const adapted = values((batch) => model.forward(batch), text);
  const merged = model.mergeAndUnload() as TextModel;
  expect(
    difference(
      values((batch) => merged.forward(batch), text),
      adapted,
    ),
  ).toBeLessThan(1e-5);
  expect([...namedModules(merged)].filter(([, module]) => 'base_layer' in module)).toEqual([]);
});
