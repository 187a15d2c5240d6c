// What is shown below a line that is no product: activations, gates, sums, softmax and the loss.

import { ACTIVATIONS } from "./network.mjs";
import { outputOf } from "./derivation.mjs";
import { h, math, number, percent } from "./dom.mjs";
import { chart } from "./plot.mjs";
import { placeName } from "./product.mjs";
import { Tiles, strength } from "./tiles.mjs";

/** @typedef {import("./derivation.mjs").Line} Line */
/** @typedef {import("./derivation.mjs").Operand} Operand */
/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const BARS = 12; // classes of a table; of more, the likeliest

/** Strips of equal shape below each other: an activation, a gate, or a sum over rows. */
export class Strips {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    this.place = place;
    this.col = -1;
    this.row = 0;
    this.detail = h("div", { class: "detail", "aria-live": "polite" });
    this.rows = h("div", { class: "strips" });
    /** @type {Tiles[]} */
    this.tiles = [];
    place.replaceChildren(this.rows, this.detail);
  }

  /** @param {Line} line @param {Operand[]} operands */
  show(line, operands) {
    this.line = line;
    this.operands = operands;
    const room = Math.max(this.place.clientWidth - 24, 120);
    if (this.tiles.length !== operands.length) this.build(operands);
    const { cols } = operands[0].matrix;
    const across = Math.min(46, room / cols);
    operands.forEach(({ matrix, name }, i) => {
      this.tiles[i].name = name;
      const down = Math.min(Math.max(across, matrix.rows === 1 ? 24 : 9), 34);
      this.tiles[i].draw(matrix, across * cols, down * matrix.rows);
    });
    const first = operands[0].matrix;
    this.row = Math.min(this.row, first.rows - 1);
    if (this.col < 0 || this.col >= cols) this.col = [...first.data].findIndex((v) => Math.abs(v) === strength(first)) % cols;
    this.col = Math.max(this.col, 0);
    this.mark();
  }

  /** @param {Operand[]} operands */
  build(operands) {
    this.tiles = operands.map(() => new Tiles("", (row, col) => {
      this.row = row;
      this.col = col;
      this.mark();
    }));
    this.rows.replaceChildren(...operands.map(({ name, matrix }, i) => h("figure", {},
      h("figcaption", {}, math(name), ` ${matrix.rows} × ${matrix.cols}`), this.tiles[i].element)));
  }

  mark() {
    const { line, operands, row, col } = this;
    if (!line || !operands) return;
    this.tiles.forEach((tiles, i) => {
      tiles.mark({ row: Math.min(row, operands[i].matrix.rows - 1), col });
      tiles.at = { row, col };
    });
    const values = operands.map(({ matrix }) => matrix.data[Math.min(row, matrix.rows - 1) * matrix.cols + col]);
    const who = placeName(this.lesson, operands[0].cols, col);
    const what = { activation: activationText, gate: gateText, sums: sumText }[/** @type {"gate"} */ (line.kind)];
    this.detail.replaceChildren(h("h3", {}, who[0].toUpperCase() + who.slice(1)), ...what(this.lesson, operands, values, row, col));
  }
}

/** @param {Lesson} lesson @param {Operand[]} operands @param {number[]} values @param {number} row @param {number} _col */
function activationText({ net }, [Z, A], [z, a], row, _col) {
  const { name, f } = ACTIVATIONS[net.activation];
  const own = [...Z.matrix.data.subarray(row * Z.matrix.cols, (row + 1) * Z.matrix.cols)];
  const reach = Math.min(Math.max(...own.map(Math.abs), 1), 1e6) * 1.1;
  const curve = Array.from({ length: 121 }, (_, i) => -reach + (i * reach) / 60);
  const on = A.matrix.data.subarray(row * A.matrix.cols, (row + 1) * A.matrix.cols).filter((v) => v > 0).length;
  return [
    h("p", {}, math(`${name}(${number(z)}) = ${number(a)}`)),
    chart(`${name}, with this sample's units on it`, {
      x: Z.name, y: A.name,
      series: [
        { kind: "curve", points: curve.map((v) => [v, f(v)]) },
        { kind: "faint-dots", dots: true, points: own.map((v) => [v, f(v)]) },
        { kind: "value-dots", dots: true, points: [[z, a]] },
      ],
    }),
    h("p", { class: "note" }, `Each dot is a unit. ${on} of ${own.length} are above 0 for this sample.`),
  ];
}

/** @param {Lesson} lesson @param {Operand[]} operands @param {number[]} values @param {number} row @param {number} _col */
function gateText({ net }, [above, slope, below], [from, factor, to], row, _col) {
  const open = [...slope.matrix.data.subarray(row * slope.matrix.cols, (row + 1) * slope.matrix.cols)].filter((v) => v === 1).length;
  const kinked = ACTIVATIONS[net.activation].kinked;
  return [
    h("p", {}, math(`${number(from)} · ${number(factor)} = ${number(to)}`)),
    h("p", { class: "note" }, math(above.name), " times the slope ", math(slope.name), " gives ", math(below.name),
      kinked ? `. ${open} of ${slope.matrix.cols} gates are open; the units behind the others learn nothing from this sample.` : "."),
  ];
}

/** @param {Lesson} _lesson @param {Operand[]} operands @param {number[]} _values @param {number} _row @param {number} col */
function sumText(_lesson, [delta, sum], _values, _row, col) {
  const { rows, cols, data } = delta.matrix;
  const column = Array.from({ length: rows }, (_, i) => data[i * cols + col]);
  const text = column.map((v) => number(v, 3)).join(" + ").replaceAll("+ −", "− ");
  return [h("p", {}, math(`${sum.name}[${col}] = `), rows > 1 ? `${text} = ` : "", number(sum.matrix.data[col])),
    h("p", { class: "note" }, rows > 1 ? `The sum over ${rows} samples.` : "One sample: nothing to add up, and the gradient is that of the score itself.")];
}

/** The classes as a table with bars: scores to answers, or answers minus targets.
 * @param {Lesson} lesson @param {HTMLElement} place @param {Line} line @param {Operand[]} operands */
export function classTable(lesson, place, line, operands) {
  const { row, facts } = lesson;
  const { cols } = operands[0].matrix;
  const rowsOf = operands.map(({ matrix }) => matrix.data.subarray(row * cols, (row + 1) * cols));
  const shown = [...rowsOf[0].keys()].sort((a, b) => rowsOf[0][b] - rowsOf[0][a]).slice(0, BARS).sort((a, b) => a - b);
  const soft = line.kind === "answers" && facts.network.loss === "cross-entropy";
  const top = rowsOf[0].reduce((a, v) => Math.max(a, v), -Infinity);
  const extra = soft ? [rowsOf[0].map((v) => Math.exp(v - top))] : [];
  const columns = [rowsOf[0], ...extra, ...rowsOf.slice(1)];
  const heads = [operands[0].name, ...(soft ? ["exp(s − max s)"] : []), ...operands.slice(1).map((o) => o.name)];
  const last = columns[columns.length - 1];
  const scale = Math.max(...last.map(Math.abs), 1e-300);
  const body = shown.map((k) => h("tr", { class: k === lesson.label && line.kind === "delta" ? "chosen" : "" },
    h("th", { scope: "row" }, facts.classes[k] ?? "value"),
    ...columns.map((column) => h("td", {}, number(column[k], 3))),
    h("td", { class: "bar" }, bar(last[k] / scale))));
  place.replaceChildren(
    h("div", { class: "scrolled" }, h("table", { class: "classes" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "output"), ...heads.map((n) => h("th", { scope: "col" }, math(n))), h("td"))),
      h("tbody", {}, ...body))),
    h("p", { class: "note" }, notes(lesson, line, shown.length, cols)));
}

/** @param {Lesson} lesson @param {Line} line @param {number} shown @param {number} cols */
function notes(lesson, line, shown, cols) {
  const N = lesson.X.rows;
  const sample = N > 1 ? `Sample ${lesson.row + 1} of the ${N}. ` : "";
  const more = shown < cols ? `The ${shown} highest of ${cols} outputs. ` : "";
  const share = line.kind === "delta" && N > 1 ? `Divided by N = ${N}, as L is the mean. ` : "";
  const sum = line.kind === "answers" && lesson.facts.network.loss === "cross-entropy" ? "Taking the largest score away first changes nothing but that no power overflows. The answers add up to 1." : "";
  return sample + share + more + sum;
}

/** A bar from the middle: to the right if positive. @param {number} share from −1 to 1 */
export function bar(share) {
  const element = h("span", { class: share < 0 ? "negative" : "positive" });
  element.style.setProperty("--share", String(Math.min(Math.abs(share), 1) || 0));
  return element;
}

/** The loss of the sample, on the curve of the loss. @param {Lesson} lesson @param {HTMLElement} place */
export function lossPanel(lesson, place) {
  const { facts, row, pass, Y, losses } = lesson;
  const { cols } = pass.answers;
  const said = pass.answers.data.subarray(row * cols, (row + 1) * cols);
  const wanted = Y.data.subarray(row * cols, (row + 1) * cols);
  const loss = losses[row];
  /** @type {Element[]} */
  const parts = [h("h3", {}, math(`L = ${number(loss)}`))];
  if (facts.network.loss === "cross-entropy") {
    const y = wanted.findIndex((v) => v === 1);
    const p = said[y];
    parts.push(h("p", {}, math(`−log ${number(p)} = ${number(loss)}`), `, of “${facts.classes[y]}”, to which the network gives ${percent(p)}.`));
    parts.push(chartOf(Array.from({ length: 100 }, (_, i) => /** @type {[number, number]} */ ([(i + 1) / 100, -Math.log((i + 1) / 100)])), [[p, loss]], "p[y]"));
  } else if (facts.target) {
    const [s, y] = [said[0], wanted[0]];
    const reach = Math.max(Math.abs(s - y), 1.5) * 1.3;
    const curve = Array.from({ length: 101 }, (_, i) => y - reach + (i * reach) / 50);
    parts.push(h("p", {}, `The score is ${number(s)}, the target ${number(y)} (in standard deviations from the mean).`));
    parts.push(chartOf(curve.map((v) => [v, lossOf(facts.network.loss, v - y)]), [[s, loss]], "score"));
  } else {
    parts.push(h("p", {}, `Added up over the ${cols} outputs.`));
  }
  if (lesson.X.rows > 1) parts.push(h("p", { class: "note" }, `Sample ${row + 1}; the mean over all ${lesson.X.rows} is ${number(lesson.loss)}.`));
  place.replaceChildren(...parts);
}

/** @param {string} loss @param {number} e */
function lossOf(loss, e) {
  if (loss === "squared-error") return 0.5 * e * e;
  return loss === "huber" && Math.abs(e) <= 1 ? 0.5 * e * e : Math.abs(e) - (loss === "huber" ? 0.5 : 0);
}

/** @param {[number, number][]} curve @param {[number, number][]} dots @param {string} x */
function chartOf(curve, dots, x) {
  return chart("The loss, and where this sample is on it", {
    x, y: "L", from: 0,
    series: [{ kind: "curve", points: curve }, { kind: "value-dots", dots: true, points: dots }],
  });
}

/** Where everything begins. @param {Lesson} lesson @param {HTMLElement} place */
export function onePanel(lesson, place) {
  place.replaceChildren(h("p", {}, math(`L = ${number(lesson.loss)}`), lesson.X.rows > 1 ? `, the mean over ${lesson.X.rows} samples. ` : ". ",
    math(outputOf(lesson.facts.network.loss).loss)));
}
