// Matrices in double precision, row by row in one array, and the four products that a network needs.

/** @typedef {{rows: number, cols: number, data: Float64Array}} Matrix */

/** A matrix of zeros, or of `data`.
 * @param {number} rows @param {number} cols @param {ArrayLike<number>} [data] @returns {Matrix} */
export function matrix(rows, cols, data) {
  return { rows, cols, data: data ? Float64Array.from(data) : new Float64Array(rows * cols) };
}

/** One entry. @param {Matrix} A @param {number} row @param {number} col */
export function at(A, row, col) {
  return A.data[row * A.cols + col];
}

/** A copy of one row, as a matrix. @param {Matrix} A @param {number} row @returns {Matrix} */
export function rowOf(A, row) {
  return matrix(1, A.cols, A.data.subarray(row * A.cols, (row + 1) * A.cols));
}

/** Rows below each other. @param {ArrayLike<number>[]} rows @returns {Matrix} */
export function stacked(rows) {
  const result = matrix(rows.length, rows[0].length);
  rows.forEach((row, i) => result.data.set(row, i * result.cols));
  return result;
}

/** Aᵀ. @param {Matrix} A @returns {Matrix} */
export function transpose(A) {
  const result = matrix(A.cols, A.rows);
  for (let i = 0; i < A.rows; i++) {
    for (let j = 0; j < A.cols; j++) result.data[j * A.rows + i] = A.data[i * A.cols + j];
  }
  return result;
}

/** f of each entry. @param {Matrix} A @param {(value: number, place: number) => number} f
 * @returns {Matrix} */
export function mapped(A, f) {
  const result = matrix(A.rows, A.cols);
  for (let i = 0; i < A.data.length; i++) result.data[i] = f(A.data[i], i);
  return result;
}

/** A·B: (n, k)·(k, m) → (n, m). @param {Matrix} A @param {Matrix} B @returns {Matrix} */
export function times(A, B) {
  const result = matrix(A.rows, B.cols);
  for (let i = 0; i < A.rows; i++) {
    const sums = result.data.subarray(i * B.cols, (i + 1) * B.cols);
    for (let k = 0; k < A.cols; k++) {
      const a = A.data[i * A.cols + k];
      if (a === 0) continue; // most pixels are
      const row = k * B.cols;
      for (let j = 0; j < B.cols; j++) sums[j] += a * B.data[row + j];
    }
  }
  return result;
}

/** Aᵀ·B: (n, k)ᵀ·(n, m) → (k, m). @param {Matrix} A @param {Matrix} B @returns {Matrix} */
export function transposedTimes(A, B) {
  const result = matrix(A.cols, B.cols);
  for (let n = 0; n < A.rows; n++) {
    for (let i = 0; i < A.cols; i++) {
      const a = A.data[n * A.cols + i];
      if (a === 0) continue;
      for (let j = 0; j < B.cols; j++) result.data[i * B.cols + j] += a * B.data[n * B.cols + j];
    }
  }
  return result;
}

/** A·Bᵀ: (n, k)·(m, k)ᵀ → (n, m). @param {Matrix} A @param {Matrix} B @returns {Matrix} */
export function timesTransposed(A, B) {
  const result = matrix(A.rows, B.rows);
  for (let i = 0; i < A.rows; i++) {
    for (let j = 0; j < B.rows; j++) {
      let sum = 0;
      for (let k = 0; k < A.cols; k++) sum += A.data[i * A.cols + k] * B.data[j * B.cols + k];
      result.data[i * B.rows + j] = sum;
    }
  }
  return result;
}

/** 1ᵀ·A: the sum of the rows, (1, cols). @param {Matrix} A @returns {Matrix} */
export function columnSums(A) {
  const result = matrix(1, A.cols);
  for (let i = 0; i < A.data.length; i++) result.data[i % A.cols] += A.data[i];
  return result;
}

/** The largest of some numbers. @param {ArrayLike<number>} values */
export function maximum(values) {
  let top = -Infinity;
  for (let i = 0; i < values.length; i++) top = Math.max(top, values[i]);
  return top;
}

/** The place of the largest of some numbers. @param {ArrayLike<number>} values */
export function largest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
