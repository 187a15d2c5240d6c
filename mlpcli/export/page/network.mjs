// The multi-layer perceptron: forward, loss, backward, one step. mlpcli/nn in JavaScript, with no page around it.
//
//   A₀ = X,   Zₗ = Aₗ₋₁·Wₗ + bₗ,   Aₗ = f(Zₗ),   scores = Z_L
//   δ_L = ∂L/∂scores,   δₗ₋₁ = (δₗ·Wₗᵀ) ⊙ f′(Zₗ₋₁),   ∂L/∂Wₗ = Aₗ₋₁ᵀ·δₗ,   ∂L/∂bₗ = 1ᵀ·δₗ

import { columnSums, mapped, matrix, times, timesTransposed, transposedTimes } from "./matrix.mjs";

/** @typedef {import("./matrix.mjs").Matrix} Matrix */

/** @typedef {object} Network
 * @property {string} activation of the hidden layers: a key of ACTIVATIONS
 * @property {string} loss a key of LOSSES
 * @property {Matrix[]} W (fan_in, fan_out) each
 * @property {Matrix[]} b (1, fan_out) each */

/** @typedef {object} Pass what a forward pass leaves behind
 * @property {Matrix[]} A A₀ = X, A₁, …: what each layer's weights multiply
 * @property {Matrix[]} Z what the activations are applied to; the last are the scores
 * @property {Matrix} scores (N, C)
 * @property {Matrix} answers (N, C): probabilities, or the scores of a regression */

/** @typedef {object} Gradient the derivatives of the loss
 * @property {Matrix[]} W as the weights
 * @property {Matrix[]} b as the biases
 * @property {Matrix[]} A by A₀ = X, A₁, …, as these
 * @property {Matrix[]} Z by Z₁ … scores, as these */

/** @typedef {object} Activation
 * @property {string} name
 * @property {(z: number) => number} f
 * @property {(z: number) => number} slope f′(z)
 * @property {boolean} [kinked] whether f has a kink at 0
 * @property {string} gate what it does to a gradient, in words */

/** @param {number} z */
const sigmoid = (z) => 0.5 * (1 + Math.tanh(0.5 * z)); // does not overflow

/** @param {number} z */
const geluArgument = (z) => Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);

const SELU = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

/** @type {Record<string, Activation>} */
export const ACTIVATIONS = {
  relu: {
    name: "ReLU", kinked: true,
    f: (z) => Math.max(z, 0),
    slope: (z) => (z > 0 ? 1 : 0),
    gate: "Max routes: in `max(z, 0)`, where `z` won, the gradient passes unchanged; where 0 won, none passes.",
  },
  "leaky-relu": {
    name: "LeakyReLU", kinked: true,
    f: (z) => Math.max(z, 0.01 * z),
    slope: (z) => (z > 0 ? 1 : 0.01),
    gate: "Max routes: in `max(z, 0.01z)`, where `z` won, the gradient passes unchanged; elsewhere, a hundredth of it does.",
  },
  tanh: {
    name: "tanh",
    f: Math.tanh,
    slope: (z) => 1 - Math.tanh(z) ** 2,
    gate: "tanh multiplies by its slope, `1 − tanh²(z)`: a unit near ±1 is saturated and lets little pass.",
  },
  sigmoid: {
    name: "σ",
    f: sigmoid,
    slope: (z) => 0.25 - (sigmoid(z) - 0.5) ** 2, // a(1 − a) = ¼ − (a − ½)²
    gate: "`σ` multiplies by its slope, `σ(z)(1 − σ(z))`: at most ¼, and almost nothing at a saturated unit.",
  },
  gelu: {
    name: "GELU",
    f: (z) => 0.5 * z * (1 + Math.tanh(geluArgument(z))),
    slope(z) {
      const near = Math.min(Math.max(z, -100), 100); // further out it is 0 or 1
      const t = Math.tanh(geluArgument(near));
      return 0.5 * (1 + t) + 0.5 * near * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 0.134145 * near * near);
    },
    gate: "GELU multiplies by its slope: about 1 well above 0, about 0 well below, and smooth between.",
  },
  silu: {
    name: "SiLU",
    f: (z) => z * sigmoid(z),
    slope: (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    gate: "SiLU multiplies by its slope, `σ(z)(1 + z(1 − σ(z)))`: about 1 well above 0, about 0 well below.",
  },
  selu: {
    name: "SELU", kinked: true,
    f: (z) => SELU.scale * (z > 0 ? z : SELU.alpha * Math.expm1(z)),
    slope: (z) => SELU.scale * (z > 0 ? 1 : SELU.alpha * Math.exp(z)),
    gate: "SELU multiplies by its slope: `λ` above 0; below, `λα exp(z)`, which fades away.",
  },
  mish: {
    name: "Mish",
    f: (z) => z * Math.tanh(Math.log1p(Math.exp(Math.min(z, 30)))),
    slope(z) {
      const t = Math.tanh(Math.log1p(Math.exp(Math.min(z, 30))));
      return t + z * (1 - t * t) * sigmoid(z);
    },
    gate: "Mish multiplies by its slope: about 1 well above 0, about 0 well below, and smooth between.",
  },
};

/** @typedef {object} Loss
 * @property {(scores: Matrix) => Matrix} answers the probabilities, or the scores themselves
 * @property {number} [kink] where |score − y| has one
 * @property {(scores: Matrix, Y: Matrix) => Float64Array} each L of each sample, (N,)
 * @property {(scores: Matrix, Y: Matrix) => Matrix} slope ∂L/∂scores of each sample, (N, C) */

/** Softmax of each row, shifted by its maximum so that nothing overflows. @param {Matrix} scores */
function softmax(scores) {
  const { rows, cols } = scores;
  const result = matrix(rows, cols);
  for (let i = 0; i < rows; i++) {
    const row = scores.data.subarray(i * cols, (i + 1) * cols);
    const top = row.reduce((a, s) => Math.max(a, s), -Infinity);
    const powers = row.map((s) => Math.exp(s - top));
    const sum = powers.reduce((a, e) => a + e, 0);
    result.data.set(powers.map((e) => e / sum), i * cols);
  }
  return result;
}

/** The sum of f over each row. @param {Matrix} scores @param {Matrix} Y
 * @param {(score: number, y: number) => number} f */
function rowSums(scores, Y, f) {
  const sums = new Float64Array(scores.rows);
  scores.data.forEach((s, i) => (sums[Math.floor(i / scores.cols)] += f(s, Y.data[i])));
  return sums;
}

/** A loss that is a sum over the outputs, each on its own.
 * @param {(s: number, y: number) => number} f @param {(s: number, y: number) => number} slope
 * @param {(s: number) => number} answer @returns {Loss} */
const byOutput = (f, slope, answer) => ({
  answers: (scores) => mapped(scores, answer),
  each: (scores, Y) => rowSums(scores, Y, f),
  slope: (scores, Y) => mapped(scores, (s, i) => slope(s, Y.data[i])),
});

/** @type {Record<string, Loss>} */
export const LOSSES = {
  "cross-entropy": {
    answers: softmax,
    each(scores, Y) {
      const { cols } = scores;
      return Float64Array.from({ length: scores.rows }, (_, i) => {
        const row = scores.data.subarray(i * cols, (i + 1) * cols);
        const top = row.reduce((a, s) => Math.max(a, s), -Infinity);
        const log = Math.log(row.reduce((a, s) => a + Math.exp(s - top), 0));
        return row.reduce((a, s, k) => a + (Y.data[i * cols + k] ? Y.data[i * cols + k] * (top - s + log) : 0), 0);
      });
    },
    slope(scores, Y) {
      return mapped(softmax(scores), (p, i) => p - Y.data[i]);
    },
  },
  mse: byOutput(
    (s, y) => 0.5 * (sigmoid(s) - y) ** 2,
    (s, y) => (sigmoid(s) - y) * ACTIVATIONS.sigmoid.slope(s),
    sigmoid,
  ),
  bce: byOutput(
    (s, y) => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s))) - y * s,
    (s, y) => sigmoid(s) - y,
    sigmoid,
  ),
  "squared-error": byOutput((s, y) => 0.5 * (s - y) ** 2, (s, y) => s - y, (s) => s),
  "absolute-error": { kink: 0, ...byOutput((s, y) => Math.abs(s - y), (s, y) => Math.sign(s - y), (s) => s) },
  huber: {
    kink: 1,
    ...byOutput(
      (s, y) => (Math.abs(s - y) <= 1 ? 0.5 * (s - y) ** 2 : Math.abs(s - y) - 0.5),
      (s, y) => Math.min(Math.max(s - y, -1), 1),
      (s) => s,
    ),
  },
};

/** X (N, D) → everything on the way to the scores. @param {Network} net @param {Matrix} X @returns {Pass} */
export function forward(net, X) {
  const A = [X];
  /** @type {Matrix[]} */
  const Z = [];
  const { f } = ACTIVATIONS[net.activation];
  net.W.forEach((W, layer) => {
    const z = times(A[layer], W);
    for (let i = 0; i < z.data.length; i++) z.data[i] += net.b[layer].data[i % z.cols];
    Z.push(z);
    if (layer < net.W.length - 1) A.push(mapped(z, f));
  });
  const scores = Z[Z.length - 1];
  return { A, Z, scores, answers: LOSSES[net.loss].answers(scores) };
}

/** The mean loss over the samples, plus ½·reg·Σ‖W‖².
 * @param {Network} net @param {Pass} pass @param {Matrix} Y (N, C) targets @param {number} [reg] */
export function meanLoss(net, pass, Y, reg = 0) {
  const each = LOSSES[net.loss].each(pass.scores, Y);
  const penalty = reg && net.W.reduce((a, W) => a + W.data.reduce((b, w) => b + w * w, 0), 0);
  return each.reduce((a, l) => a + l, 0) / each.length + 0.5 * reg * penalty;
}

/** The derivatives of `meanLoss` by everything. @param {Network} net @param {Pass} pass
 * @param {Matrix} Y @param {number} [reg] @returns {Gradient} */
export function backward(net, pass, Y, reg = 0) {
  const { slope } = ACTIVATIONS[net.activation];
  const N = Y.rows;
  /** @type {Gradient} */
  const gradient = { W: [], b: [], A: [], Z: [] };
  let delta = mapped(LOSSES[net.loss].slope(pass.scores, Y), (d) => d / N);
  for (let layer = net.W.length - 1; layer >= 0; layer--) {
    const W = net.W[layer];
    const byW = transposedTimes(pass.A[layer], delta);
    if (reg) W.data.forEach((w, i) => (byW.data[i] += reg * w));
    const byA = timesTransposed(delta, W);
    gradient.W.unshift(byW);
    gradient.b.unshift(columnSums(delta));
    gradient.A.unshift(byA);
    gradient.Z.unshift(delta);
    if (layer) delta = mapped(byA, (d, i) => d * slope(pass.Z[layer - 1].data[i]));
  }
  return gradient;
}

/** One step of gradient descent: a new network. @param {Network} net @param {Gradient} gradient
 * @param {number} rate @returns {Network} */
export function step(net, gradient, rate) {
  /** @param {Matrix[]} values @param {Matrix[]} slopes */
  const moved = (values, slopes) =>
    values.map((A, layer) => mapped(A, (w, i) => w - rate * slopes[layer].data[i]));
  return { ...net, W: moved(net.W, gradient.W), b: moved(net.b, gradient.b) };
}

/** The loss with one parameter moved by `by`, and whether a unit crossed its kink on the way.
 * @param {Network} net @param {Matrix} array one of net.W or net.b @param {number} place
 * @param {number} by @param {Matrix} X @param {Matrix} Y */
export function lossAt(net, array, place, by, X, Y) {
  const before = array.data[place];
  array.data[place] = before + by;
  const pass = forward(net, X);
  array.data[place] = before;
  return { loss: meanLoss(net, pass, Y), pass };
}

/** Whether a hidden unit, or the loss, is on one side of a kink in one pass and on the other in the other.
 * @param {Network} net @param {Pass} a @param {Pass} b @param {Matrix} Y */
export function crossesKink(net, a, b, Y) {
  const { kink } = LOSSES[net.loss];
  const side = (/** @type {number} */ error) => (kink === undefined ? 0 : Number(error > kink) - Number(error < -kink));
  if (a.scores.data.some((s, i) => side(s - Y.data[i]) !== side(b.scores.data[i] - Y.data[i]))) return true;
  if (!ACTIVATIONS[net.activation].kinked) return false;
  return a.Z.slice(0, -1).some((Z, layer) => Z.data.some((z, i) => z > 0 !== b.Z[layer].data[i] > 0));
}

/** |a − n| / max(|a|, |n|, 1e-4), as `mlp gradcheck` has it. @param {number} a @param {number} n */
export function relativeError(a, n) {
  return Math.abs(a - n) / Math.max(Math.abs(a), Math.abs(n), 1e-4);
}
