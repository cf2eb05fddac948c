import type { Parameter } from '@peft/core';
import { Gradients } from './Gradients';
import type { MomentState, Optimizer } from './Optimizer';
import { type Trainable, trainableParameters } from './trainable';

export interface AdamWOptions {
  /** @default 1e-3 */
  lr?: number;
  /** @default [0.9, 0.999] */
  betas?: readonly [number, number];
  /** @default 1e-8 */
  eps?: number;
  /** One for all, or by name. @default 0.01 */
  weight_decay?: number | ((name: string, parameter: Parameter) => number);
}

/**
 * AdamW as PyTorch's: the decay is apart from the gradient, and parameters without a gradient are left alone.
 * @param model looked at anew in each backward pass, so adapters may be switched between steps
 */
export function adamW(model: Trainable, options: AdamWOptions = {}): Optimizer {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weight_decay = 0.01 } = options;
  checkOptions({ lr, betas, eps, weight_decay });
  const gradients = new Gradients(model);
  // By parameter, not by name: two adapters' parameters have the same names.
  let moments = new WeakMap<Parameter, MomentState>();
  const momentOf = (parameter: Parameter): MomentState => {
    let moment = moments.get(parameter);
    if (!moment) {
      const { shape, size } = parameter;
      moment = { step: 0, shape, exp_avg: new Float32Array(size), exp_avg_sq: new Float32Array(size) };
      moments.set(parameter, moment);
    }
    return moment;
  };
  return {
    lr,
    get gradients() {
      return gradients.byName;
    },
    backward: (loss, settings) => gradients.backward(loss, settings),
    backwardAsync: (loss, settings) => gradients.backwardAsync(loss, settings),
    clipGradNorm: (maxNorm) => gradients.clipNorm(maxNorm),
    step() {
      for (const [parameter, { name, gradient }] of gradients.entries()) {
        if (!parameter.ready) continue;
        const decay = typeof weight_decay === 'number' ? weight_decay : weight_decay(name, parameter);
        const values = parameter.value.dataSync<'float32'>();
        parameter.set(update(values, gradient.dataSync<'float32'>(), momentOf(parameter), { lr: this.lr, betas, eps, decay }));
      }
    },
    zeroGrad: () => gradients.clear(),
    state() {
      const parameters: Record<string, MomentState> = {};
      for (const [name, parameter] of trainableParameters(model)) {
        const moment = moments.get(parameter);
        if (moment) parameters[name] = copy(moment);
      }
      return { lr: this.lr, parameters };
    },
    load(state) {
      const known = trainableParameters(model);
      const misfits: string[] = [];
      for (const [name, { shape, exp_avg, exp_avg_sq }] of Object.entries(state.parameters)) {
        const parameter = known.get(name);
        if (!parameter) misfits.push(`"${name}" is no trainable parameter`);
        else if (String(shape) !== String(parameter.shape) || exp_avg.length !== parameter.size || exp_avg_sq.length !== parameter.size)
          misfits.push(`"${name}" has the shape [${shape}], the parameter [${parameter.shape}]`);
      }
      if (misfits.length > 0) throw new Error(`the optimizer's state does not fit the model: ${misfits.join('; ')}`);
      moments = new WeakMap();
      for (const [name, moment] of Object.entries(state.parameters)) moments.set(known.get(name) as Parameter, copy(moment));
      this.lr = state.lr;
    },
    dispose() {
      gradients.clear();
      moments = new WeakMap();
    },
  };
}

interface StepSettings {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  decay: number;
}

/** New values; the moments change in place. A plain loop beats a dozen tensor operations for each small matrix. */
function update(
  values: Float32Array,
  gradient: Float32Array,
  moment: MomentState,
  { lr, betas: [beta1, beta2], eps, decay }: StepSettings,
): Float32Array {
  const { exp_avg: m, exp_avg_sq: v } = moment;
  moment.step++;
  const stepSize = lr / (1 - beta1 ** moment.step);
  const rootBias2 = Math.sqrt(1 - beta2 ** moment.step);
  const kept = 1 - lr * decay;
  const result = new Float32Array(values.length);
  for (let i = 0; i < result.length; i++) {
    const g = gradient[i] as number;
    const mean = (m[i] as number) + (1 - beta1) * (g - (m[i] as number));
    const square = beta2 * (v[i] as number) + (1 - beta2) * g * g;
    m[i] = mean;
    v[i] = square;
    result[i] = (values[i] as number) * kept - (stepSize * mean) / (Math.sqrt(square) / rootBias2 + eps);
  }
  return result;
}

const copy = (moment: MomentState): MomentState => ({
  step: moment.step,
  shape: [...moment.shape],
  exp_avg: moment.exp_avg.slice(),
  exp_avg_sq: moment.exp_avg_sq.slice(),
});

function checkOptions({ lr, betas, eps, weight_decay }: Required<AdamWOptions>): void {
  const wrong: string[] = [];
  if (!(lr >= 0)) wrong.push(`lr must be 0 or more, not ${lr}`);
  if (!betas.every((beta) => beta >= 0 && beta < 1)) wrong.push(`betas must be in [0, 1), not ${betas}`);
  if (!(eps >= 0)) wrong.push(`eps must be 0 or more, not ${eps}`);
  if (typeof weight_decay === 'number' && !(weight_decay >= 0)) wrong.push(`weight_decay must be 0 or more, not ${weight_decay}`);
  if (wrong.length > 0) throw new Error(`adamW: ${wrong.join('; ')}`);
}
