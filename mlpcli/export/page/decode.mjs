// From what the file holds to numbers: arrays in base64, the network, and rows as the network takes them.

import { matrix, stacked } from "./matrix.mjs";

/** @typedef {import("./network.mjs").Network} Network */

/** @typedef {{dtype: "float16" | "float32" | "float64" | "uint8" | "int8", data: string, scale?: number}} Packed */

/** How one raw column becomes inputs of the network; see `encoded`.
 * @typedef {object} Block
 * @property {"number" | "category" | "pixels"} kind
 * @property {string} [name] of the column
 * @property {number} [shift]
 * @property {number} [factor]
 * @property {boolean} [indicator] whether a further input is 1 where the number is missing
 * @property {string[]} [values] of a category, in the order of their inputs
 * @property {string[]} [inputs] the names of the block's inputs
 * @property {number} [count] of pixels */

/** IEEE 754 half precision. @param {number} bits */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

/** An array of the file. @param {Packed} packed @returns {Float64Array} */
export function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  const { buffer } = bytes;
  const numbers = {
    float16: () => Float64Array.from(new Uint16Array(buffer), half),
    float32: () => Float64Array.from(new Float32Array(buffer)),
    float64: () => new Float64Array(buffer),
    uint8: () => Float64Array.from(bytes),
    int8: () => Float64Array.from(new Int8Array(buffer)),
  }[packed.dtype]();
  return packed.scale === undefined ? numbers : numbers.map((v) => v * Number(packed.scale));
}

/** The network of the file.
 * @param {{sizes: number[], activation: string, loss: string, params: Record<string, Packed>}} file
 * @returns {Network} */
export function readNetwork(file) {
  const layers = file.sizes.slice(1).map((_, layer) => layer + 1);
  return {
    activation: file.activation,
    loss: file.loss,
    W: layers.map((n) => matrix(file.sizes[n - 1], file.sizes[n], unpacked(file.params[`W${n}`]))),
    b: layers.map((n) => matrix(1, file.sizes[n], unpacked(file.params[`b${n}`]))),
  };
}

/** Raw values → the network's inputs, (D,): numbers are scaled, categories one-hot.
 * A raw value is a number, NaN where it is missing, or the place of a category, −1 for an unseen one.
 * @param {Block[]} blocks @param {ArrayLike<number>} raw @returns {Float64Array} */
export function encoded(blocks, raw) {
  /** @type {number[]} */
  const inputs = [];
  let place = 0;
  for (const block of blocks) {
    if (block.kind === "pixels") {
      for (let i = 0; i < Number(block.count); i++) inputs.push(raw[place++] * Number(block.factor));
    } else if (block.kind === "category") {
      const code = raw[place++];
      for (let k = 0; k < Number(block.values?.length); k++) inputs.push(k === code ? 1 : 0);
    } else {
      const value = raw[place++];
      const missing = Number.isNaN(value);
      inputs.push(missing ? 0 : (value - Number(block.shift)) * Number(block.factor));
      if (block.indicator) inputs.push(missing ? 1 : 0);
    }
  }
  return Float64Array.from(inputs);
}

/** Rows of the file as the network takes them. @param {Block[]} blocks @param {ArrayLike<number>[]} rows */
export function encodedRows(blocks, rows) {
  return stacked(rows.map((row) => encoded(blocks, row)));
}
