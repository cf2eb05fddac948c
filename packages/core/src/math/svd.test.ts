import { expect, it } from 'vitest';
import { Generator } from '../module/random';
import { qr } from './qr';
import { svd } from './svd';

const product = (a: ArrayLike<number>, b: ArrayLike<number>, n: number, k: number, m: number) =>
  Float64Array.from({ length: n * m }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (a[Math.floor(at / m) * k + i] as number) * (b[i * m + (at % m)] as number);
    return sum;
  });
const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((max, x, i) => Math.max(max, Math.abs(x - (b[i] as number))), 0);

it.each([
  [5, 3],
  [3, 5],
  [40, 40],
  [1, 4],
  [64, 20],
])('decomposes %i×%i', (rows, columns) => {
  const matrix = new Generator(1).normal(rows * columns);
  const k = Math.min(rows, columns);
  const { u, s, vt } = svd(matrix, rows, columns);
  const scaled = Float64Array.from(u, (x, i) => x * (s[i % k] as number));
  expect(largest(product(scaled, vt, rows, k, columns), matrix)).toBeLessThan(1e-12 * (s[0] as number) * 10);
  expect([...s]).toEqual([...s].sort((a, b) => b - a));
  const { q, r } = qr(matrix, rows, columns);
  expect(largest(product(q, r, rows, k, columns), matrix)).toBeLessThan(1e-13 * 10);
  for (let i = 1; i < k; i++) for (let j = 0; j < i; j++) expect(r[i * columns + j]).toBe(0);
});

it('has the signs of LAPACK', () => {
  // torch.linalg.qr of [[1, 2], [3, 4], [5, 6]] (torch 2.13).
  const { q, r } = qr([1, 2, 3, 4, 5, 6], 3, 2);
  expect(largest(r, [-5.916079783099616, -7.437357441610946, 0, 0.828078671210825])).toBeLessThan(1e-12);
  expect(largest(q, [-0.1690308509, 0.8970852271, -0.5070925528, 0.2760262237, -0.8451542547, -0.3450327797])).toBeLessThan(1e-9);
});

it('finds the rank of a singular matrix', () => {
  const { s } = svd([1, 2, 2, 4], 2, 2);
  expect(s[0]).toBeCloseTo(5, 12);
  expect(s[1]).toBeCloseTo(0, 12);
});
