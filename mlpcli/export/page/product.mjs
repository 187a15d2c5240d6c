// A product of matrices to scale: the right factor stands above the result and the left one beside it, so that each
// entry lies where its row and its column meet (Falk's scheme). Touching one shows the sum behind it.

import { h, math, number } from "./dom.mjs";
import { Tiles, picture } from "./tiles.mjs";
import { largest, matrix, transpose } from "./matrix.mjs";

/** @typedef {import("./derivation.mjs").Operand} Operand */
/** @typedef {import("./derivation.mjs").Axis} Axis */
/** @typedef {import("./lesson.mjs").Lesson} Lesson */
/** @typedef {import("./matrix.mjs").Matrix} Matrix */

const TERMS = 6; // of a sum, that are written out
const [PICTURES, QUADRANT] = [170, 330]; // pixels above the left factor that are room for pictures, and for all
const CAPTION = 104; // pixels of a name with a shape

/** What an entry of an axis is called. @param {Lesson} lesson @param {Axis} on @param {number} place */
export function placeName({ facts }, on, place) {
  if (on === "output") return facts.target ? facts.target.name : `“${facts.classes[place]}”`;
  if (on === "sample") return `sample ${place + 1}`;
  if (on !== "input") return `unit ${place}`;
  if (facts.image) return `pixel ${Math.floor(place / facts.image.width)},${place % facts.image.width}`;
  return inputNames(facts)[place] ?? `input ${place}`;
}

/** The names of the network's inputs. @param {import("./lesson.mjs").Facts} facts */
export function inputNames({ encoding, columns }) {
  return encoding.blocks.flatMap(({ part, of, values }) => {
    const { name } = columns[part];
    if (of === "wave") return values.map((value) => `wave ${value} of ${name}`);
    if (of === "number") return [name];
    if (of === "indicator") return [`${name} missing`];
    return values.map((value) => (of === "category" ? `${name} = ${value}` : `${name} in ${falling(of, Number(value))}`));
  });
}

/** A month, a weekday (Monday is 0) or an hour in words. @param {string} of @param {number} value */
function falling(of, value) {
  if (of === "hour") return `hour ${value}`;
  const date = new Date(Date.UTC(2024, of === "month" ? value : 0, of === "month" ? 1 : value + 1)); // 2024 began on a Monday
  return date.toLocaleString("en", { [of]: "long", timeZone: "UTC" });
}

/** Shown as an image, if an axis is of pixels. @param {Lesson} lesson @param {Axis} on @param {ArrayLike<number>} values */
function asImage({ facts }, on, values) {
  return on === "input" && facts.image ? matrix(facts.image.height, facts.image.width, values) : null;
}

/** How inputs are painted: those of images that are never negative as ink. @param {Lesson} lesson
 * @param {Float64Array} values @returns {"ink" | "signs"} */
function inkOf({ facts }, values) {
  return facts.image && values.every((v) => v >= 0) ? "ink" : "signs";
}

/** The lengths of three dimensions on the page, to one scale as far as they can be seen.
 * @param {number[]} dims rows, inner, cols @param {number} room @param {number} tall */
function lengths([rows, inner, cols], room, tall) {
  const each = Math.min(44, room / (inner + cols), tall / Math.max(inner + rows, 1));
  /** @param {number} n */
  const length = (n) => Math.max(each * n, Math.min(n * 15, 38));
  return { rows: length(rows), inner: length(inner), cols: length(cols) };
}

export class Product {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    this.place = place;
    this.row = 0;
    this.col = -1;
    this.term = -1;
    this.said = h("div", { "aria-live": "polite" });
    this.terms = h("table");
    this.detail = h("div", { class: "detail" }, this.said, this.terms);
    this.left = new Tiles("", (row, k) => this.touch({ row, term: k }));
    this.right = new Tiles("", (k, col) => this.touch({ term: k, col }));
    this.result = new Tiles("", (row, col) => this.touch({ row, col, term: -1 }));
    this.bias = new Tiles("", (_, col) => this.touch({ col, term: -1 }));
    this.captions = [this.left, this.right, this.result, this.bias].map(() => h("figcaption"));
    this.figures = [this.left, this.right, this.result, this.bias].map((tiles, i) =>
      h("figure", { class: ["left", "right", "result", "bias"][i] }, tiles.element, this.captions[i]));
    this.strip = h("div", { class: "pictures" });
    this.quadrant = h("div", { class: "quadrant" });
    this.grid = h("div", { class: "falk" }, this.quadrant, ...this.figures);
    place.replaceChildren(this.grid);
  }

  /** @param {Operand[]} operands left, right, result and maybe the bias */
  show(operands) {
    this.operands = operands;
    const [left, right, result, bias] = operands;
    const { rows, cols } = result.matrix;
    const room = this.place.clientWidth - 24;
    const wide = room > 620;
    const size = lengths([rows, left.matrix.cols, cols], wide ? room * 0.72 - CAPTION : room - CAPTION / 2, wide ? 430 : 330);
    this.row = Math.min(this.row, rows - 1);
    if (this.col < 0 || this.col >= cols) Object.assign(this, mostTelling(result));
    const paint = (/** @type {Operand} */ o) => (o.name.startsWith("X") ? inkOf(this.lesson, o.matrix.data) : "signs");
    this.left.draw(left.matrix, size.inner, size.rows, paint(left));
    this.right.draw(right.matrix, size.cols, size.inner, paint(right));
    this.result.draw(result.matrix, size.cols, size.rows);
    if (bias) this.bias.draw(bias.matrix, size.cols, Math.max(size.rows / rows, 12));
    this.figures[3].hidden = !bias;
    [this.left, this.right, this.result, this.bias].forEach((tiles, i) => {
      const operand = operands[i];
      if (!operand) return;
      tiles.name = operand.name;
      this.captions[i].replaceChildren(i === 3 ? "+ " : "", math(operand.name), ` ${operand.matrix.rows} × ${operand.matrix.cols}`);
    });
    this.quadrant.style.maxWidth = `${size.inner}px`;
    const within = size.inner >= QUADRANT;
    this.place.classList.toggle("wide", wide && !within);
    (within ? this.quadrant : this.place).append(this.detail);
    if (size.inner >= PICTURES) this.quadrant.prepend(this.strip);
    else this.said.after(this.strip);
    this.mark();
  }

  /** @param {{row?: number, col?: number, term?: number}} change */
  touch(change) {
    Object.assign(this, change);
    this.mark();
  }

  mark() {
    const { row, col, term } = this;
    this.left.mark({ row }, ...(term >= 0 ? [{ row, col: term }] : []));
    this.right.mark({ col }, ...(term >= 0 ? [{ row: term, col }] : []));
    this.result.mark({ row, col });
    this.bias.mark({ col });
    this.result.at = { row, col };
    this.explain();
  }

  /** The sum behind the chosen entry, its largest terms first. */
  explain() {
    const [left, right, result, bias] = this.operands ?? [];
    if (!result) return;
    const { lesson, row, col, term } = this;
    const inner = left.matrix.cols;
    const a = left.matrix.data.subarray(row * inner, (row + 1) * inner);
    const b = Float64Array.from({ length: inner }, (_, k) => right.matrix.data[k * right.matrix.cols + col]);
    const terms = a.map((value, k) => value * b[k]);
    const order = [...terms.keys()].sort((i, j) => Math.abs(terms[j]) - Math.abs(terms[i]));
    const shown = term >= 0 ? [term, ...order.filter((k) => k !== term)].slice(0, TERMS) : order.slice(0, TERMS);
    const rest = order.filter((k) => !shown.includes(k));
    const value = result.matrix.data[row * result.matrix.cols + col];
    const line = (/** @type {(Node | string)[]} */ ...cells) => h("tr", {}, ...cells.map((c, i) => (i ? h("td", {}, c) : h("th", { scope: "row" }, c))));
    this.terms.replaceChildren(h("tbody", {},
      ...shown.map((k) => {
        const tr = line(placeName(lesson, left.cols, k), `${number(a[k], 3)} · ${number(b[k], 3)}`, number(terms[k], 3));
        if (k === term) tr.className = "chosen";
        return tr;
      }),
      rest.length ? line(`${rest.length} others`, "", number(rest.reduce((sum, k) => sum + terms[k], 0), 3)) : null,
      bias ? line(h("span", {}, "the bias "), math(`${bias.name}[${col}]`), number(bias.matrix.data[col], 3)) : null,
      h("tr", { class: "sum" }, h("th", { scope: "row" }, "together"), h("td"), h("td", {}, number(value, 4)))));
    const where = `${result.name}[${row}, ${col}]`;
    const title = h("h3", {}, math(where), ` = ${number(value)}`);
    const about = h("p", { class: "note" }, entryText(lesson, result, row, col), ". The sum of ",
      math(`${left.name}[${row}, k]·${right.name}[k, ${col}]`), ` over ${inner.toLocaleString("en")} k${bias ? ", plus the bias" : ""}:`);
    this.strip.replaceChildren(...this.pictures(a, b, terms));
    this.said.replaceChildren(title, about);
  }

  /** The row, the column and their products as pictures; and a row or column of the result, if that is one.
   * @param {Float64Array} a @param {Float64Array} b @param {Float64Array} terms */
  pictures(a, b, terms) {
    const { lesson, row, col } = this;
    const [left, right, result] = this.operands ?? [];
    /** @type {Node[]} */
    const found = [];
    /** @param {Matrix | null} image @param {string} caption @param {"signs" | "ink"} [paint] @param {string} [sign] */
    const add = (image, caption, paint, sign = "") => {
      if (image) found.push(h("figure", { "data-sign": sign }, picture(image, caption, paint), h("figcaption", {}, math(caption))));
    };
    add(asImage(lesson, left.cols, a), left.name === "X" ? "X" : `${left.name}[${row}, :]`, left.name === "X" ? inkOf(lesson, a) : "signs");
    add(asImage(lesson, right.rows, b), `${right.name}[:, ${col}]`, "signs", "⊙");
    add(asImage(lesson, left.cols, terms), "their products", "signs", "=");
    const { cols } = result.matrix;
    if (result.rows === "input") {
      const column = transpose(result.matrix).data.subarray(col * result.matrix.rows, (col + 1) * result.matrix.rows);
      add(asImage(lesson, result.rows, column), `${result.name}[:, ${col}]`);
    }
    if (result.cols === "input") add(asImage(lesson, result.cols, result.matrix.data.subarray(row * cols, (row + 1) * cols)), result.name);
    return found;
  }
}

/** What an entry of the result means. @param {Lesson} lesson @param {Operand} result @param {number} row @param {number} col */
function entryText(lesson, result, row, col) {
  const to = placeName(lesson, result.cols, col);
  if (result.rows === "sample") return lesson.X.rows > 1 ? `Sample ${row + 1}, ${to}` : to[0].toUpperCase() + to.slice(1);
  const from = placeName(lesson, result.rows, row);
  return `The weight from ${from} to ${to}`;
}

/** The largest entry, of the first sample if its rows are samples: something to begin with. @param {Operand} result */
function mostTelling({ matrix: A, rows }) {
  const place = largest(A.data.subarray(0, rows === "sample" ? A.cols : A.data.length).map(Math.abs));
  return { row: Math.floor(place / A.cols), col: place % A.cols };
}
