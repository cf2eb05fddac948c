export const HEIGHT = 224;
const [LEFT, BOTTOM, TOP] = [36, 20, 8];
/** More points than a screen has columns are not seen. */
const MOST = 800;

/** The loss of each step, and a smooth line through it, as what stands in an SVG of this width and `HEIGHT`. */
export function curve(losses: readonly number[], steps: number, width: number): string {
  const finite = losses.filter(Number.isFinite);
  if (finite.length === 0) return '';
  const [low, high] = bounds(finite);
  const last = Math.max(steps, losses.length, 2);
  const x = (step: number) => LEFT + ((step - 1) / (last - 1)) * (width - LEFT);
  const y = (loss: number) => TOP + ((high - loss) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const stride = Math.ceil(losses.length / MOST);
  const path = (values: readonly number[]) =>
    values
      .map((loss, i) => [i + 1, loss] as const)
      .filter(([step], i) => i % stride === 0 || step === values.length)
      .map(([step, loss], i) => `${i === 0 ? 'M' : 'L'}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`)
      .join('');
  const marks = ticks(low, high);
  const digits = high - low < 1 ? 2 : 1;
  const lines = marks.map(
    (loss) =>
      `<line class="grid" x1="${LEFT}" x2="${width}" y1="${y(loss)}" y2="${y(loss)}"/><text x="${LEFT - 6}" y="${y(loss) + 4}" text-anchor="end">${loss.toFixed(digits)}</text>`,
  );
  const ends = `<text x="${LEFT}" y="${HEIGHT - 2}">step 1</text><text x="${width}" y="${HEIGHT - 2}" text-anchor="end">${last}</text>`;
  return `${lines.join('')}${ends}<path class="each" d="${path(finite)}"/><path class="smooth" d="${path(smooth(finite))}"/>`;
}

/** A mean that forgets: of about the last ten steps. */
function smooth(values: readonly number[]): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = 0.9 * sum + value;
    weight = 0.9 * weight + 1;
    return sum / weight;
  });
}

function bounds(values: readonly number[]): [number, number] {
  const low = values.reduce((least, value) => Math.min(least, value));
  const high = values.reduce((most, value) => Math.max(most, value));
  const margin = Math.max(0.05 * (high - low), 0.01);
  return [low - margin, high + margin];
}

/** Three to six round numbers. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}
