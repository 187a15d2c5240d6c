// The lines of the forward and the backward pass, in the notation of network.py: formula, shapes, rule and operands.

import { ACTIVATIONS, LOSSES } from "./network.mjs";
import { mapped, matrix, transpose } from "./matrix.mjs";

/** @typedef {import("./matrix.mjs").Matrix} Matrix */
/** @typedef {import("./network.mjs").Network} Network */

/** Where everything stands: the network, a batch, and what both passes made of it.
 * @typedef {object} Standing
 * @property {Network} net
 * @property {Matrix} Y (N, C) targets
 * @property {import("./network.mjs").Pass} pass
 * @property {import("./network.mjs").Gradient} gradient
 * @property {Float64Array} losses (N,) */

/** A matrix with its name; `rows` and `cols` say what an entry of these axes is.
 * @typedef {{name: string, matrix: Matrix, rows: Axis, cols: Axis}} Operand */

/** @typedef {"sample" | "input" | "output" | `unit${number}`} Axis */

/** One line.
 * @typedef {object} Line
 * @property {string} id
 * @property {"product" | "sums" | "activation" | "gate" | "answers" | "loss" | "one" | "delta"} kind
 * @property {string} makes the name of what it computes
 * @property {string} formula
 * @property {string} rule why, in a sentence or two
 * @property {(at: Standing) => Operand[]} operands for a product: left, right, result and maybe the bias
 * @property {number} [layer] counted from 0 */

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

/** @param {number} n */
const sub = (n) => String(n).replace(/\d/g, (d) => SUBSCRIPTS[Number(d)]);

/** The names of a network's quantities, by layer counted from 0; H is the only hidden layer's output.
 * @param {number} layers how many weight matrices */
export function names(layers) {
  return {
    /** @param {number} l */
    A: (l) => (l === 0 ? "X" : layers === 2 ? "H" : `A${sub(l)}`),
    /** @param {number} l */
    Z: (l) => (l === layers - 1 ? "scores" : `Z${sub(l + 1)}`),
    /** @param {number} l */
    W: (l) => `W${sub(l + 1)}`,
    /** @param {number} l */
    b: (l) => `b${sub(l + 1)}`,
    /** @param {number} l */
    delta: (l) => `δ${sub(l + 1)}`,
  };
}

/** The axis that layer l's inputs lie on, counted from 0. @param {number} l @param {number} layers
 * @returns {Axis} */
export function axis(l, layers) {
  return l === 0 ? "input" : l === layers ? "output" : `unit${l}`;
}

/** Aᵀ as an operand. @param {Operand} of @returns {Operand} */
const turned = (of) => ({ name: `${of.name}ᵀ`, matrix: transpose(of.matrix), rows: of.cols, cols: of.rows });

/** The operands of a network, by layer. @param {number} layers */
function operandsOf(layers) {
  const name = names(layers);
  /** @param {number} l */
  const on = (l) => axis(l, layers);
  return {
    /** @param {Standing} at @param {number} l @returns {Operand} */
    A: (at, l) => ({ name: name.A(l), matrix: at.pass.A[l], rows: "sample", cols: on(l) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    Z: (at, l) => ({ name: name.Z(l), matrix: at.pass.Z[l], rows: "sample", cols: on(l + 1) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    W: (at, l) => ({ name: name.W(l), matrix: at.net.W[l], rows: on(l), cols: on(l + 1) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    b: (at, l) => ({ name: name.b(l), matrix: at.net.b[l], rows: "sample", cols: on(l + 1) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    delta: (at, l) => ({ name: name.delta(l), matrix: at.gradient.Z[l], rows: "sample", cols: on(l + 1) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    byA: (at, l) => ({ name: `∂L/∂${name.A(l)}`, matrix: at.gradient.A[l], rows: "sample", cols: on(l) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    byW: (at, l) => ({ name: `∂L/∂${name.W(l)}`, matrix: at.gradient.W[l], rows: on(l), cols: on(l + 1) }),
    /** @param {Standing} at @param {number} l @returns {Operand} */
    byB: (at, l) => ({ name: `∂L/∂${name.b(l)}`, matrix: at.gradient.b[l], rows: "sample", cols: on(l + 1) }),
  };
}

/** @type {Record<string, {answers: string, formula: string, loss: string, rule: string, delta: string, why: string}>} */
const OUTPUTS = {
  "cross-entropy": {
    answers: "p = softmax(scores)",
    formula: "`pₖ = exp(sₖ − max s) / Σⱼ exp(sⱼ − max s)`",
    loss: "L = −log p[y]",
    rule: "The loss looks at one number only: the probability of the right label. At probability 1 it is 0; it grows without bound as that probability vanishes.",
    delta: "p − Y",
    why: "Softmax and −log, differentiated together, leave the plainest thing there is: what was said minus what is right. `Y` is 1 at the right label, else 0.",
  },
  mse: {
    answers: "p = σ(scores)",
    formula: "`pₖ = 1 / (1 + exp(−sₖ))`, each output on its own",
    loss: "L = ½ Σₖ (pₖ − Yₖ)²",
    rule: "Nielsen's quadratic cost: half the squared distance between what was said and what is right.",
    delta: "(p − Y) ⊙ p ⊙ (1 − p)",
    why: "The chain rule through `σ` multiplies the error by the slope `p(1 − p)`: an output that is surely wrong hardly learns.",
  },
  bce: {
    answers: "p = σ(scores)",
    formula: "`pₖ = 1 / (1 + exp(−sₖ))`, each output on its own",
    loss: "L = −Σₖ [Yₖ log pₖ + (1 − Yₖ) log(1 − pₖ)]",
    rule: "Nielsen's cross-entropy: each output is a question of its own, answered yes or no.",
    delta: "p − Y",
    why: "The slope of `σ` cancels against that of the logarithm: what was said minus what is right is left.",
  },
  "squared-error": {
    answers: "", formula: "", loss: "L = ½ (score − y)²",
    rule: "Half the squared distance to the target, in standardised units.",
    delta: "score − y",
    why: "The derivative of half a square is what was squared: the error itself.",
  },
  "absolute-error": {
    answers: "", formula: "", loss: "L = |score − y|",
    rule: "The distance to the target, in standardised units.",
    delta: "sign(score − y)",
    why: "However large the error, it pulls with the same force: only its sign is left.",
  },
  huber: {
    answers: "", formula: "", loss: "L = ½ e² where |e| ≤ 1, else |e| − ½, of e = score − y",
    rule: "A square near the target and a straight line far from it, in standardised units.",
    delta: "clip(score − y, −1, 1)",
    why: "Near the target the error itself; far from it only its sign, so that outliers don't shout.",
  },
};

/** What a loss makes of the scores, in words. @param {string} loss */
export function outputOf(loss) {
  return OUTPUTS[loss];
}

/** The lines from X to the loss. @param {Network} net @returns {Line[]} */
export function forwardLines(net) {
  const layers = net.W.length;
  const name = names(layers);
  const op = operandsOf(layers);
  const { name: f } = ACTIVATIONS[net.activation];
  const output = OUTPUTS[net.loss];
  /** @type {Line[]} */
  const lines = [];
  for (let l = 0; l < layers; l++) {
    lines.push({
      id: `z${l}`, kind: "product", makes: name.Z(l), layer: l,
      formula: `${name.Z(l)} = ${name.A(l)}·${name.W(l)} + ${name.b(l)}`,
      rule: l === 0
        ? "Every unit weighs all the inputs: a column of weights times the row of inputs, added up, plus its bias."
        : `The same again, with \`${name.A(l)}\` as the inputs.`,
      operands: (at) => [op.A(at, l), op.W(at, l), op.Z(at, l), op.b(at, l)],
    });
    if (l === layers - 1) break;
    lines.push({
      id: `a${l + 1}`, kind: "activation", makes: name.A(l + 1), layer: l,
      formula: `${name.A(l + 1)} = ${f}(${name.Z(l)})`,
      rule: "One number at a time. Without this bend, the layers would collapse into one matrix.",
      operands: (at) => [op.Z(at, l), op.A(at, l + 1)],
    });
  }
  if (output.answers) {
    lines.push({
      id: "p", kind: "answers", makes: "p", formula: output.answers,
      rule: output.formula,
      operands: (at) => [op.Z(at, layers - 1), { name: "p", matrix: at.pass.answers, rows: "sample", cols: "output" }],
    });
  }
  lines.push({
    id: "loss", kind: "loss", makes: "L", formula: output.loss, rule: output.rule,
    operands: (at) => [
      { name: output.answers ? "p" : "scores", matrix: at.pass.answers, rows: "sample", cols: "output" },
      { name: "Y", matrix: at.Y, rows: "sample", cols: "output" },
    ],
  });
  return lines;
}

/** The lines from the loss back to X. @param {Network} net @returns {Line[]} */
export function backwardLines(net) {
  const layers = net.W.length;
  const name = names(layers);
  const op = operandsOf(layers);
  const activation = ACTIVATIONS[net.activation];
  const output = OUTPUTS[net.loss];
  /** @type {Line[]} */
  const lines = [
    {
      id: "one", kind: "one", makes: "∂L/∂L", formula: "∂L/∂L = 1",
      rule: "Every derivative on this page says by how much the loss grows per unit of something. Of the loss itself: by one.",
      operands: () => [],
    },
    {
      id: "delta", kind: "delta", makes: name.delta(layers - 1),
      formula: `${name.delta(layers - 1)} = ∂L/∂scores = ${output.delta}`, rule: output.why,
      operands: (at) => [
        { name: output.answers ? "p" : "scores", matrix: at.pass.answers, rows: "sample", cols: "output" },
        { name: "Y", matrix: at.Y, rows: "sample", cols: "output" },
        op.delta(at, layers - 1),
      ],
    },
  ];
  for (let l = layers - 1; l >= 0; l--) {
    lines.push(
      {
        id: `db${l}`, kind: "sums", makes: `∂L/∂${name.b(l)}`, layer: l,
        formula: `∂L/∂${name.b(l)} = 1ᵀ·${name.delta(l)}`,
        rule: "Add distributes: a sum hands the gradient to each summand unchanged. The bias was added in every row, so its gradient is the sum over the rows.",
        operands: (at) => [op.delta(at, l), op.byB(at, l)],
      },
      {
        id: `dw${l}`, kind: "product", makes: `∂L/∂${name.W(l)}`, layer: l,
        formula: `∂L/∂${name.W(l)} = ${name.A(l)}ᵀ·${name.delta(l)}`,
        rule: "Multiply swaps: the gradient of one factor is the other factor times what comes from above. A weight learns from what came in times what went wrong.",
        operands: (at) => [turned(op.A(at, l)), op.delta(at, l), op.byW(at, l)],
      },
      {
        id: `da${l}`, kind: "product", makes: `∂L/∂${name.A(l)}`, layer: l,
        formula: `∂L/∂${name.A(l)} = ${name.delta(l)}·${name.W(l)}ᵀ`,
        rule: l
          ? "The same swap for the other factor: blame flows back along the weights it came by, and adds up where they meet."
          : "All the way down to the input: which inputs would have to change, and how, for the loss to grow. No weight needs it, but it can be looked at.",
        operands: (at) => [op.delta(at, l), turned(op.W(at, l)), op.byA(at, l)],
      },
    );
    if (l === 0) break;
    lines.push({
      id: `dz${l - 1}`, kind: "gate", makes: name.delta(l - 1), layer: l - 1,
      formula: `${name.delta(l - 1)} = ∂L/∂${name.A(l)} ⊙ ${activation.name}′(${name.Z(l - 1)})`,
      rule: activation.gate,
      operands: (at) => [
        op.byA(at, l),
        { name: `${activation.name}′(${name.Z(l - 1)})`, matrix: mapped(at.pass.Z[l - 1], activation.slope), rows: "sample", cols: axis(l, layers) },
        op.delta(at, l - 1),
      ],
    });
  }
  return lines;
}

/** "(1 × 784)·(784 × 100) + (1 × 100) → (1 × 100)" and its like. @param {Line} line @param {Standing} at */
export function shapesOf(line, at) {
  /** @param {Operand} operand */
  const shape = ({ matrix: { rows, cols } }) => `${rows} × ${cols}`;
  const all = line.operands(at);
  const [first, second, third, bias] = all;
  const last = all[all.length - 1];
  switch (line.kind) {
    case "product":
      return `(${shape(first)}) · (${shape(second)})${bias ? ` + (${shape(bias)})` : ""} → (${shape(third)})`;
    case "sums":
      return `(1 × ${first.matrix.rows}) · (${shape(first)}) → (${shape(second)})`;
    case "gate":
      return `(${shape(first)}) ⊙ (${shape(second)}) → (${shape(third)})`;
    case "one":
      return "one number";
    case "loss":
      return `(${shape(first)}), (${shape(second)}) → one number`;
    case "delta":
      return `(${shape(first)}), (${shape(second)}) → (${shape(third)})`;
    default:
      return `(${shape(first)}) → (${shape(last)})`;
  }
}

/** The losses of each sample, (N,). @param {Network} net @param {import("./network.mjs").Pass} pass
 * @param {Matrix} Y */
export function lossesOf(net, pass, Y) {
  return LOSSES[net.loss].each(pass.scores, Y);
}

/** A row of targets: 1 at the label. @param {number} label @param {number} classes */
export function oneHot(label, classes) {
  const Y = matrix(1, classes);
  Y.data[label] = 1;
  return Y;
}
