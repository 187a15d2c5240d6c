// Dimension matching as a puzzle: which factors, which way round, make a matrix of the wanted shape?

import { names } from "./derivation.mjs";

/** A dimension: its letter, and how long it is here. Two are the same if their letters are.
 * @typedef {{letter: string, length: number, of: string}} Dimension */

/** @typedef {{name: string, rows: Dimension, cols: Dimension}} Card */

/** @typedef {{target: Card, cards: Card[], hint: string}} Puzzle */

/** @param {number[]} sizes [D, H…, C] @param {number} samples @returns {Puzzle[]} from the loss backwards, then forwards */
export function puzzles(sizes, samples) {
  const layers = sizes.length - 1;
  const name = names(layers);
  const N = { letter: "N", length: samples, of: "samples" };
  const dims = sizes.map((length, l) => {
    if (l === 0) return { letter: "D", length, of: "inputs" };
    if (l === layers) return { letter: "C", length, of: "outputs" };
    return { letter: layers === 2 ? "H" : `H${"₁₂₃₄₅₆₇₈₉"[l - 1] ?? l}`, length, of: "hidden units" };
  });
  /** @type {Puzzle[]} */
  const all = [];
  for (let l = layers - 1; l >= 0; l--) {
    const A = { name: name.A(l), rows: N, cols: dims[l] };
    const W = { name: name.W(l), rows: dims[l], cols: dims[l + 1] };
    const delta = { name: name.delta(l), rows: N, cols: dims[l + 1] };
    const cards = [A, W, delta];
    all.push(
      { target: { ...W, name: `∂L/∂${W.name}` }, cards, hint: `A gradient has the shape of what it is the gradient of: that of ${W.name}.` },
      { target: { ...A, name: `∂L/∂${A.name}` }, cards, hint: `A gradient has the shape of what it is the gradient of: that of ${A.name}.` },
    );
  }
  for (let l = 0; l < layers; l++) {
    const A = { name: name.A(l), rows: N, cols: dims[l] };
    const W = { name: name.W(l), rows: dims[l], cols: dims[l + 1] };
    const target = { name: l === layers - 1 ? name.Z(l) : name.Z(l), rows: N, cols: dims[l + 1] };
    all.push({ target, cards: [W, A], hint: "One row per sample, one column per unit (the bias is added afterwards)." });
  }
  return all;
}

/** @param {Card} card @returns {Card} */
export function flipped({ name, rows, cols }) {
  return { name: name.endsWith("ᵀ") ? name.slice(0, -1) : `${name}ᵀ`, rows: cols, cols: rows };
}

/** @param {Card} card */
export function shapeText({ rows, cols }) {
  return `${rows.letter} × ${cols.letter} = ${rows.length} × ${cols.length}`;
}

/** Whether left·right is the target, and why or why not.
 * @param {Card} left @param {Card} right @param {Card} target @returns {{fits: boolean, why: string}} */
export function judge(left, right, target) {
  const product = `${left.name}·${right.name}`;
  const [a, b] = [left.cols, right.rows];
  if (a.letter !== b.letter) {
    const why = `${product} cannot be: each entry would pair the ${a.length} numbers in a row of ${left.name} (one per ${single(a)}) with the ${b.length} in a column of ${right.name} (one per ${single(b)}).`;
    const accident = " Both are equally many here, but only by accident: they count different things.";
    return { fits: false, why: why + (a.length === b.length ? accident : "") };
  }
  const made = { name: product, rows: left.rows, cols: right.cols };
  if (made.rows.letter === target.rows.letter && made.cols.letter === target.cols.letter) {
    return {
      fits: true,
      why: `It fits. The inner ${a.letter} = ${a.length} is summed away; the outer dimensions are left: ${shapeText(made)}, the shape of ${target.name}.`,
    };
  }
  if (made.rows.letter === target.cols.letter && made.cols.letter === target.rows.letter) {
    return {
      fits: false,
      why: `${product} can be multiplied, but gives ${shapeText(made)}: ${target.name} lying on its side. A product turned over swaps its factors, (A·B)ᵀ = Bᵀ·Aᵀ: it is the other order, each turned.`,
    };
  }
  return {
    fits: false,
    why: `${product} can be multiplied, but gives ${shapeText(made)}; ${target.name} must be ${shapeText(target)}.`,
  };
}

/** @param {Dimension} dimension */
function single({ of }) {
  return of.replace(/s$/, "");
}

/** Whether one factor alone can still become part of the target, in its place.
 * @param {Card} card @param {"left" | "right"} place @param {Card} target @returns {{fits: boolean, why: string}} */
export function judgeAlone(card, place, target) {
  const [mine, wanted] = place === "left" ? [card.rows, target.rows] : [card.cols, target.cols];
  const axis = place === "left" ? "rows" : "columns";
  if (mine.letter === wanted.letter) return { fits: true, why: `${card.name} brings the ${axis}: ${mine.letter} = ${mine.length}.` };
  return {
    fits: false,
    why: `On the ${place}, a factor brings the ${axis} of the product. ${target.name} has ${wanted.length} (one per ${single(wanted)}), ${card.name} has ${mine.length} (one per ${single(mine)})${mine.length === wanted.length ? ": as many, but by accident" : ""}.`,
  };
}
