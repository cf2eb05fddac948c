/** A thin factorisation of a matrix [rows, columns], row-major, k = min(rows, columns). */
export interface Qr {
  q: Float64Array; // [rows, k], orthonormal columns
  r: Float64Array; // [k, columns], upper triangular
}

/** Householder's QR, with LAPACK's signs: a reflection maps each column to −sign(first entry) times its length. */
export function qr(matrix: ArrayLike<number>, rows: number, columns: number): Qr {
  const k = Math.min(rows, columns);
  // Columns lie side by side, so that the inner loops run through memory.
  const a = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) a[j * rows + i] = matrix[i * columns + j] as number;
  const tau = new Float64Array(k);
  const reflect = (target: Float64Array, from: number, j: number) => {
    let dot = target[from + j] as number;
    for (let i = j + 1; i < rows; i++) dot += (a[j * rows + i] as number) * (target[from + i] as number);
    dot *= tau[j] as number;
    (target[from + j] as number) -= dot;
    for (let i = j + 1; i < rows; i++) (target[from + i] as number) -= dot * (a[j * rows + i] as number);
  };
  for (let j = 0; j < k; j++) {
    let below = 0;
    for (let i = j + 1; i < rows; i++) below += (a[j * rows + i] as number) ** 2;
    const head = a[j * rows + j] as number;
    if (below === 0) continue;
    const beta = head >= 0 ? -Math.sqrt(head * head + below) : Math.sqrt(head * head + below);
    tau[j] = (beta - head) / beta;
    for (let i = j + 1; i < rows; i++) (a[j * rows + i] as number) /= head - beta;
    a[j * rows + j] = beta;
    for (let c = j + 1; c < columns; c++) reflect(a, c * rows, j);
  }
  const r = new Float64Array(k * columns);
  for (let i = 0; i < k; i++) for (let j = i; j < columns; j++) r[i * columns + j] = a[j * rows + i] as number;
  const q = new Float64Array(rows * k);
  const column = new Float64Array(rows);
  for (let c = 0; c < k; c++) {
    column.fill(0);
    column[c] = 1;
    for (let j = k - 1; j >= 0; j--) reflect(column, 0, j);
    for (let i = 0; i < rows; i++) q[i * k + c] = column[i] as number;
  }
  return { q, r };
}
