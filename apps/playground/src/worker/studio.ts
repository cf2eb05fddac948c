import { disposeModule, manualSeed, type PeftModel, parameters, setWarningHandler } from '@peft/core';
import { type AnyCausalLM, AutoModelForCausalLM, AutoTokenizer, type TextTokenizer } from '@peft/models';
import * as tf from '@tensorflow/tfjs-core';
import type { AdapterRef, Api, EngineChoice, ModelChoice, Told } from '../api';
import { attachNew, attachSaved, detach, infoOf } from './adapters';
import { readBlocks } from './blocks';
import { startEngine } from './engine';
import { heldOutLoss } from './heldOutLoss';
import { merged } from './merged';
import { openModelFiles } from './modelFiles';
import { train } from './train';
import { writeText } from './writeText';

type Async<A> = { [Name in keyof A]: A[Name] extends (argument: infer I) => infer O ? (argument: I) => Promise<O> : never };

/** A base model with its tokenizer. */
export interface Loaded {
  model: AnyCausalLM;
  tokenizer: TextTokenizer;
}

/** A base model with an adapter on it. */
export type Adapted = PeftModel<AnyCausalLM>;

/** All that computes: one engine, one model, at most one adapter on it. */
export function openStudio(tell: (told: Told) => void): { api: Async<Api>; stop(): void } {
  let loaded: Loaded | undefined;
  let attached: { id: string; peft: Adapted } | undefined;
  let stopping = new AbortController();

  setWarningHandler((text) => tell({ kind: 'warning', text }));

  const there = (): Loaded => {
    if (!loaded) throw new Error('there is no model yet: load one first');
    return loaded;
  };
  const bare = (): Loaded => {
    if (attached) detach(attached.peft);
    attached = undefined;
    return there();
  };
  /** The model with an adapter on it, or without one. */
  const subject = async (adapter: AdapterRef | null): Promise<Adapted | AnyCausalLM> => {
    if (adapter === null) return bare().model;
    if (attached?.id !== adapter.id) attached = { id: adapter.id, peft: await attachSaved(bare(), adapter.files) };
    return attached.peft;
  };
  const free = () => {
    if (!loaded) return;
    disposeModule(bare().model);
    loaded = undefined;
  };

  const api: Async<Api> = {
    async start(choice: EngineChoice) {
      free();
      const { name, description, notUsed } = await startEngine(choice);
      return { name, description, notUsed };
    },
    async loadModel(choice: ModelChoice) {
      free();
      const { name, source } = openModelFiles(choice, (progress) => tell({ kind: 'download', ...progress }));
      const [model, tokenizer] = await Promise.all([AutoModelForCausalLM.fromPretrained(source), AutoTokenizer.fromPretrained(source)]);
      model.name_or_path = name;
      loaded = { model, tokenizer };
      const { model_type: type, max_position_embeddings: context } = model.config;
      const count = parameters(model).reduce((sum, { size }) => sum + size, 0);
      return { name, type, parameters: count, context: typeof context === 'number' ? context : null };
    },
    async train(request) {
      stopping = new AbortController();
      const { tokenizer } = there();
      const blocks = await readBlocks(request.text, tokenizer, request.settings.block);
      const { start } = request;
      // Before the adapter is made: what it starts from is drawn by chance, too.
      manualSeed(request.settings.seed);
      const peft =
        'config' in start
          ? await attachNew(bare(), start.config, request.settings)
          : await attachSaved(bare(), start.adapter.files, start.state);
      attached = { id: '', peft };
      const state = 'config' in start ? null : start.state;
      return train({ peft, tokenizer, blocks, settings: request.settings, state, signal: stopping.signal, tell });
    },
    async inspect(files) {
      const peft = await attachSaved(bare(), files);
      attached = { id: '', peft };
      return infoOf(peft);
    },
    async write({ adapter, ...request }) {
      stopping = new AbortController();
      const { tokenizer } = there();
      return writeText(await subject(adapter), tokenizer, request, stopping.signal, (text) => tell({ kind: 'text', text }));
    },
    async measure({ adapter, text, block }) {
      const { heldOut } = await readBlocks(text, there().tokenizer, block);
      return heldOutLoss(await subject(adapter), heldOut, there().tokenizer);
    },
    merge: async (adapter) => merged(bare(), adapter.files),
    async logits({ ids, adapter }) {
      const model = await subject(adapter);
      const logits = tf.tidy(() => model.forward({ input_ids: [ids] }).logits as tf.Tensor);
      const values = (await logits.data()) as Float32Array;
      logits.dispose();
      return values;
    },
  };
  return { api, stop: () => stopping.abort() };
}
