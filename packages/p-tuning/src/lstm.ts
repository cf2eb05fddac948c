import { differentiable, matMul, type Parameter } from '@peft/core';
import * as tf from '@tensorflow/tfjs-core';

/** The weights of one direction of one layer, as PyTorch holds them: gates in the order input, forget, cell, output. */
export interface LstmWeights {
  weight_ih: Parameter; // [4·H, in]
  weight_hh: Parameter; // [4·H, H]
  bias_ih: Parameter; // [4·H]
  bias_hh: Parameter; // [4·H]
}

type Row = tf.Tensor2D; // [1, H]

/**
 * One direction of one layer of an LSTM over one sequence, starting from zeros.
 * @param x [T, in]
 * @param reverse from the last position to the first
 * @returns [T, H]
 */
export function lstm(x: tf.Tensor2D, { weight_ih, weight_hh, bias_ih, bias_hh }: LstmWeights, reverse: boolean): tf.Tensor2D {
  const length = x.shape[0]; // T
  const size = weight_hh.shape[1] as number; // H
  const order = Array.from({ length }, (_, t) => (reverse ? length - 1 - t : t));
  const zero = () => tf.zeros<tf.Rank.R2>([1, size]);
  const row = (all: tf.Tensor2D, t: number, width = size): Row => tf.slice(all, [t, 0], [1, width]);
  /** Each position's predecessor; the first has none. */
  const previous = (all: tf.Tensor2D): tf.Tensor2D =>
    reverse ? tf.concat([tf.slice(all, [1, 0]), zero()], 0) : tf.concat([zero(), tf.slice(all, [0, 0], [length - 1, size])], 0);
  const inputs = { x, weight_ih: weight_ih.value, weight_hh: weight_hh.value, bias_ih: bias_ih.value, bias_hh: bias_hh.value };
  return differentiable<Record<keyof typeof inputs, tf.Tensor>, tf.Tensor2D>(inputs, {
    forward: (save) => {
      // Sums in PyTorch's order: small differences grow in training.
      const wanted = tf.add(matMul(x, weight_ih.value as unknown as tf.Tensor2D, false, true), bias_ih.value) as tf.Tensor2D; // [T, 4·H]
      const recurrent = tf.transpose(weight_hh.value as unknown as tf.Tensor2D); // [H, 4·H]
      let [hidden, cell] = [zero(), zero()];
      const [gates, cells, outputs]: [Row[], Row[], Row[]] = [[], [], []];
      for (const t of order) {
        const sums = tf.add(row(wanted, t, 4 * size), tf.add(tf.matMul(hidden, recurrent), bias_hh.value)) as Row;
        const [i, f, g, o] = tf.split(sums, 4, 1) as [Row, Row, Row, Row];
        const opened = [tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)] as const;
        cell = tf.add(tf.mul(opened[1], cell), tf.mul(opened[0], opened[2]));
        hidden = tf.mul(opened[3], tf.tanh(cell));
        gates[t] = tf.concat([...opened], 1);
        cells[t] = cell;
        outputs[t] = hidden;
      }
      const y = tf.concat(outputs, 0); // [T, H]
      save([x, tf.concat(gates, 0), tf.concat(cells, 0), y]);
      return y;
    },
    backward: (dy, saved) => {
      const [savedX, gates, cells, y] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
      const before = previous(cells);
      const recurrent = weight_hh.value as unknown as tf.Tensor2D;
      let [hiddenGradient, cellGradient]: [Row, Row] = [zero(), zero()];
      const rows: Row[] = [];
      for (const t of [...order].reverse()) {
        const [i, f, g, o] = tf.split(row(gates, t, 4 * size), 4, 1) as [Row, Row, Row, Row];
        const bent: Row = tf.tanh(row(cells, t));
        const dh: Row = tf.add(row(dy, t), hiddenGradient);
        const dc: Row = tf.add(cellGradient, tf.mul(tf.mul(dh, o), tf.sub(1, tf.square(bent))));
        const slope = (gate: Row): Row => tf.mul(gate, tf.sub(1, gate));
        const [di, df, dg]: [Row, Row, Row] = [tf.mul(dc, g), tf.mul(dc, row(before, t)), tf.mul(dc, i)];
        const sums: Row[] = [
          tf.mul(di, slope(i)),
          tf.mul(df, slope(f)),
          tf.mul(dg, tf.sub(1, tf.square(g))),
          tf.mul(tf.mul(dh, bent), slope(o)),
        ];
        rows[t] = tf.concat(sums, 1);
        hiddenGradient = tf.matMul(rows[t] as Row, recurrent);
        cellGradient = tf.mul(dc, f);
      }
      const sums = tf.concat(rows, 0); // [T, 4·H]
      return {
        x: () => matMul(sums, weight_ih.value as unknown as tf.Tensor2D),
        weight_ih: () => matMul(sums, savedX, true),
        weight_hh: () => matMul(sums, previous(y), true),
        bias_ih: () => tf.sum(sums, 0),
        bias_hh: () => tf.sum(sums, 0),
      };
    },
  });
}
