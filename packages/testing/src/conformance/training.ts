import { getPeftModel, manualSeed, parameters } from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { lossOf } from '../reference/runCase';
import type { Test } from './conformance';
import { adapted, allValues, demand, differs, outputsOf, same } from './support';

export const training: readonly Test[] = [
  [
    'a fresh adapter leaves the outputs as they are',
    async (method) => {
      const base = await method.createModel();
      const before = await outputsOf(base, method);
      const model = getPeftModel(base, method.config());
      model.eval();
      const after = await outputsOf(model as never, method);
      if (method.startsAsIdentity ?? true) same('outputs', after, before, 1e-5);
      else demand(after.length > 0 && after.every(Number.isFinite), 'outputs must be finite numbers');
      model.dispose();
    },
  ],
  [
    'training changes the adapter, lowers the loss and leaves the base alone',
    async (method) => {
      const model = await adapted(method, { random: false });
      const trained = new Set(Object.values(model.trainableParameters()));
      demand(trained.size > 0, 'there must be something to train');
      const frozen = () => parameters(model.getBaseModel()).filter((parameter) => !trained.has(parameter));
      demand(
        frozen().every(({ trainable }) => !trainable),
        'the base must be frozen',
      );
      const before = frozen().map(({ value }) => value.dataSync().slice());
      const optimizer = adamW(model, { lr: 1e-2 });
      model.train();
      const losses: number[] = [];
      for (let step = 0; step < 20; step++) {
        losses.push(optimizer.backward(() => lossOf(model.forward(method.batch))));
        optimizer.step();
        optimizer.zeroGrad();
      }
      optimizer.dispose();
      demand((losses.at(-1) as number) < (losses[0] as number), `20 steps took the loss from ${losses[0]} to ${losses.at(-1)}`);
      for (const [i, parameter] of frozen().entries()) same('a frozen parameter', parameter.value.dataSync(), before[i] as Float32Array);
      model.dispose();
    },
  ],
  [
    'training keeps no tensors',
    async (method) => {
      const model = await adapted(method);
      const optimizer = adamW(model, { lr: 1e-3 });
      model.train();
      const step = () => {
        optimizer.backward(() => lossOf(model.forward(method.batch)));
        optimizer.step();
        optimizer.zeroGrad();
        return tf.memory().numTensors;
      };
      step();
      const first = step();
      for (let i = 0; i < 48; i++) demand(step() === first, `tensors: ${tf.memory().numTensors} after ${i + 3} steps, ${first} before`);
      optimizer.dispose();
      model.dispose();
    },
  ],
  [
    'gradient checkpointing changes no gradient and keeps no tensors',
    async (method) => {
      const model = await adapted(method);
      model.train();
      const gradients = () => {
        const optimizer = adamW(model, { lr: 1e-3 });
        manualSeed(3); // of dropout
        const loss = optimizer.backward(() => lossOf(model.forward(method.batch)));
        const values = Object.values(optimizer.gradients).flatMap((gradient) => [...gradient.dataSync()]);
        optimizer.zeroGrad();
        optimizer.dispose();
        return [loss, ...values];
      };
      const kept = gradients();
      model.gradientCheckpointingEnable();
      same('loss and gradients', gradients(), kept, 1e-5);
      const before = tf.memory().numTensors;
      gradients();
      demand(tf.memory().numTensors === before, `tensors: ${tf.memory().numTensors} after a step, ${before} before`);
      model.dispose();
    },
  ],
  [
    'shapes alone count as many parameters and hold no tensors',
    async (method) => {
      const before = tf.memory().numTensors;
      const shapes = getPeftModel(await method.createShapes(), method.config());
      const counts = shapes.getNbTrainableParameters();
      demand(tf.memory().numTensors === before, 'a model of shapes must hold no tensors');
      const model = await adapted(method);
      same('parameters', model.getNbTrainableParameters(), counts);
      demand(counts[0] > 0 && counts[0] < counts[1], `of ${counts[1]} parameters ${counts[0]} are trained`);
      model.dispose();
    },
  ],
  [
    'every trained value has an effect on the outputs',
    async (method) => {
      const model = await adapted(method);
      const before = await outputsOf(model, method);
      const values = allValues(model);
      for (const [name, parameter] of Object.entries(model.trainableParameters())) {
        const own = parameter.value.dataSync().slice() as Float32Array;
        parameter.set(own.map((value, i) => value + 0.5 + 0.1 * (i % 3)));
        differs(`changing ${name}`, await outputsOf(model, method), before);
        parameter.set(own);
      }
      same('all values', allValues(model), values);
      model.dispose();
    },
  ],
];
