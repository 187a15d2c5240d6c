// From what the file holds to numbers: arrays in base64, the network, and rows as the network takes them.

import { matrix, stacked } from "./matrix.mjs";

/** @typedef {import("./network.mjs").Network} Network */

/** @typedef {{dtype: "float16" | "float32" | "float64" | "uint8" | "int8", data: string, scale?: number}} Packed */

/** What is known of a raw column; `Number`, `Date`, `Category` and `Pixels` of mlpcli/data/encoding.
 * @typedef {object} Part
 * @property {"pixels" | "number" | "date" | "category"} kind
 * @property {number} [count] of pixels
 * @property {number} [shift] @property {number} [factor] @property {number} [median] of numbers, dates and pixels
 * @property {boolean} [clip] whether the scaled number x becomes x/√(1 + (x/3)²)
 * @property {string[]} [categories] @property {string[]} [rare] their codes are their places in both, one after the other
 * @property {boolean} [missing] whether a missing category has an input of its own
 * @property {number[]} [month] @property {number[]} [weekday] @property {number[]} [hour] of a date, those with inputs */

/** Inputs that belong together, of a part: from `start` on, one for each of `values`.
 * @typedef {{part: number, of: "wave" | "number" | "indicator" | "category" | "month" | "weekday" | "hour", values: string[], start: number}} Block */

/** From raw columns to inputs. `waves` has what makes those of a number, a row for each: w and b (F,), V (F, O), c (O,).
 * @typedef {{parts: Part[], blocks: Block[], waves?: Packed}} Encoding */

export const DAY = 86_400_000; // milliseconds

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
 * A raw value is a number, days since 1970, the code of a category or −1 for an unseen one; NaN is missing.
 * @param {Encoding} encoding @param {ArrayLike<number>} raw @returns {Float64Array} */
export function encoded(encoding, raw) {
  const { parts, blocks } = encoding;
  if (parts[0].kind === "pixels") return Float64Array.from(raw, (value) => value * Number(parts[0].factor));
  const last = blocks[blocks.length - 1];
  const inputs = new Float64Array(last.start + last.values.length);
  for (const { part, of, start, values } of blocks) {
    if (of === "wave") inputs.set(embedded(wavesOf(encoding), start / values.length, values.length, scaled(parts[part], raw[part])), start);
    else if (of === "number") inputs[start] = scaled(parts[part], raw[part]);
    else {
      const place = hot(parts[part], of, raw[part]);
      if (place >= 0) inputs[start + place] = 1;
    }
  }
  return inputs;
}

/** @param {Part} part @param {number} value */
function scaled({ shift = 0, factor = 1, median = 0, clip }, value) {
  const x = ((Number.isNaN(value) ? median : value) - shift) * factor;
  return clip ? x / Math.sqrt(1 + (x / 3) ** 2) : x;
}

/** @type {WeakMap<Encoding, Float64Array[]>} */
const decoded = new WeakMap();

/** What makes the waves of each number. @param {Encoding} encoding @returns {Float64Array[]} */
function wavesOf(encoding) {
  const known = decoded.get(encoding);
  if (known || !encoding.waves) return known ?? [];
  const all = unpacked(encoding.waves);
  const count = encoding.blocks.filter(({ of }) => of === "wave").length;
  const rows = Array.from({ length: count }, (_, k) => all.subarray((k * all.length) / count, ((k + 1) * all.length) / count));
  decoded.set(encoding, rows);
  return rows;
}

/** The periodic embedding cos(2πxw + b)·V + c of number k, (O,). @param {Float64Array[]} waves @param {number} k
 * @param {number} O @param {number} x */
function embedded(waves, k, O, x) {
  const row = waves[k];
  const F = (row.length - O) / (2 + O);
  const e = row.slice(row.length - O);
  for (let f = 0; f < F; f++) {
    const wave = Math.cos(2 * Math.PI * x * row[f] + row[F + f]);
    for (let o = 0; o < O; o++) e[o] += wave * row[2 * F + f * O + o];
  }
  return e;
}

/** Which input of a block is 1; −1 if none is. @param {Part} part @param {Block["of"]} of @param {number} value */
function hot(part, of, value) {
  const missing = Number.isNaN(value);
  if (of === "indicator") return missing ? 0 : -1;
  if (of === "category") {
    const { categories = [], rare = [] } = part;
    if (missing) return part.missing ? categories.length + Math.min(rare.length, 1) : -1;
    return Math.min(value, categories.length); // the rare ones share an input
  }
  if (missing) return -1;
  const date = new Date(Math.floor(value) * DAY);
  const falls = {
    month: date.getUTCMonth(),
    weekday: (date.getUTCDay() + 6) % 7, // Monday is 0
    hour: Math.floor(Math.min((value - Math.floor(value)) * 24 + 1e-6, 23)),
  };
  const on = /** @type {"month"} */ (of);
  return (part[on] ?? []).indexOf(falls[on]);
}

/** Rows of the file as the network takes them. @param {Encoding} encoding @param {ArrayLike<number>[]} rows */
export function encodedRows(encoding, rows) {
  return stacked(rows.map((row) => encoded(encoding, row)));
}
