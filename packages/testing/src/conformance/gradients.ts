import { Generator } from '@peft/core';
import { adamW } from '@peft/train';
import * as tf from '@tensorflow/tfjs-core';
import { lossOf } from '../reference/runCase';
import type { Test } from './conformance';
import { adapted, demand } from './support';

const STEP = 1e-2;
const TOLERANCE = 1e-2;

export const gradients: readonly Test[] = [
  [
    'gradients agree with finite differences',
    async (method) => {
      const model = await adapted(method);
      const loss = () => {
        const value = tf.tidy(() => lossOf(model.forward(method.batch)));
        const [number] = value.dataSync();
        value.dispose();
        return number as number;
      };
      const optimizer = adamW(model);
      optimizer.backward(() => lossOf(model.forward(method.batch)));
      const random = new Generator(7);
      const named = Object.entries(model.trainableParameters());
      const slopes = named.map(([name, parameter]) => {
        // Along its own gradient a parameter's slope is the gradient's length; a random part shows what is wrongly left out.
        const gradient = optimizer.gradients[name]?.dataSync() ?? new Float32Array(parameter.size);
        const length = Math.hypot(...gradient) || 1;
        const noise = random.normal(parameter.size);
        const noiseLength = Math.hypot(...noise);
        const direction = noise.map((value, i) => (gradient[i] as number) / length + (0.3 * value) / noiseLength);
        const expected = direction.reduce((sum, value, i) => sum + value * (gradient[i] as number), 0);
        const start = parameter.value.dataSync().slice() as Float32Array;
        const at = (step: number) => {
          parameter.set(start.map((value, i) => value + step * (direction[i] as number)));
          return loss();
        };
        // Four points: the error is of the fourth order.
        const measured = (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP);
        parameter.set(start);
        return { name, expected, measured };
      });
      optimizer.dispose();
      // Rounding of the losses in the difference of four of them.
      const noise = (40 * 2 ** -24 * loss()) / (12 * STEP);
      const scale = Math.max(...slopes.map(({ expected }) => Math.abs(expected)));
      demand(scale > 0, 'no gradient reaches the adapter');
      const wrong = slopes.filter(
        ({ expected, measured }) => Math.abs(expected - measured) > TOLERANCE * Math.max(Math.abs(expected), 0.02 * scale) + noise,
      );
      demand(
        wrong.length === 0,
        wrong.map(({ name, expected, measured }) => `${name}: slope ${measured}, by its gradient ${expected}`).join('; '),
      );
      model.dispose();
    },
  ],
];
