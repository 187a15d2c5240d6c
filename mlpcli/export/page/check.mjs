// Check it: the gradient check by hand. Any weight, nudged up and down, beside the derivative that came by backpropagation.

import { axis, names } from "./derivation.mjs";
import { crossesKink, lossAt, relativeError } from "./network.mjs";
import { button, h, math, number } from "./dom.mjs";
import { placeName } from "./product.mjs";
import { chart } from "./plot.mjs";
import { Tiles, strength } from "./tiles.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */
/** @typedef {import("./matrix.mjs").Matrix} Matrix */

const VIEW = 2; // how far to either side the loss is drawn
const POINTS = 60; // of that curve

export class Check {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    const layers = lesson.net.W.length;
    this.layers = layers;
    this.array = 2 * (layers - 1); // W1, b1, W2, …: the last weights first, as they are easiest to follow
    this.row = this.col = -1;
    this.exponent = -1;
    const name = names(layers);
    this.names = Array.from({ length: 2 * layers }, (_, i) => (i % 2 ? name.b : name.W)(i >> 1));
    this.select = h("select", { onchange: () => this.choose(Number(this.select.value)) },
      ...this.names.map((n, i) => h("option", { value: i, selected: i === this.array }, n)));
    const field = () => h("input", { type: "number", min: 0, step: 1, onchange: () => this.typed() });
    this.rowField = field();
    this.colField = field();
    this.slider = h("input", { type: "range", min: -8, max: 0, step: 0.5, value: this.exponent, oninput: () => {
      this.exponent = Number(this.slider.value);
      this.show();
    } });
    this.size = h("output");
    this.tiles = new Tiles("", (row, col) => this.pick(row, col));
    this.result = h("div");
    this.verdict = h("p", { class: "verdict", role: "status" });
    this.stage = h("div");
    this.caption = h("figcaption");
    place.append(
      h("div", { class: "controls" }, h("label", {}, "Weights ", this.select), h("label", {}, "row ", this.rowField),
        h("label", {}, "column ", this.colField), button("The steepest", () => this.steepest()), button("Any", () => this.any())),
      h("div", { class: "controls" }, h("label", { class: "long" }, "Nudge ", math("h"), " ", this.slider, this.size)),
      h("div", { class: "checking" }, h("div", { class: "beside" }, h("figure", {}, this.tiles.element, this.caption), h("div", { class: "result" }, this.result, this.verdict)), this.stage));
    this.place = place;
    lesson.watch(() => this.show(), place);
    new ResizeObserver(() => this.show()).observe(place);
  }

  /** @returns {{values: Matrix, slopes: Matrix}} */
  get chosen() {
    const { lesson, array } = this;
    const [net, gradient] = [lesson.net, lesson.gradient];
    return array % 2 ? { values: net.b[array >> 1], slopes: gradient.b[array >> 1] } : { values: net.W[array >> 1], slopes: gradient.W[array >> 1] };
  }

  /** @param {number} array */
  choose(array) {
    this.array = array;
    this.row = this.col = -1;
    this.show();
  }

  /** @param {number} row @param {number} col */
  pick(row, col) {
    Object.assign(this, { row, col });
    this.show();
  }

  typed() {
    const within = (/** @type {HTMLInputElement} */ field, /** @type {number} */ n) => Math.min(Math.max(Math.trunc(Number(field.value)), 0), n - 1);
    const { rows, cols } = this.chosen.values;
    this.pick(within(this.rowField, rows), within(this.colField, cols));
  }

  steepest() {
    const { slopes } = this.chosen;
    const top = strength(slopes);
    const place = Math.max(slopes.data.findIndex((v) => Math.abs(v) === top), 0);
    this.pick(Math.floor(place / slopes.cols), place % slopes.cols);
  }

  any() {
    const { rows, cols } = this.chosen.values;
    this.pick(Math.floor(Math.random() * rows), Math.floor(Math.random() * cols));
  }

  show() {
    const { lesson } = this;
    const { values, slopes } = this.chosen;
    if (this.row < 0) {
      this.steepest();
      return;
    }
    const room = Math.min(this.place.clientWidth - 24, 320);
    const each = Math.min(34, room / values.cols, 260 / values.rows);
    this.tiles.name = this.names[this.array];
    this.tiles.draw(slopes, Math.max(each * values.cols, Math.min(12 * values.cols, 96)), Math.max(each * values.rows, 24));
    this.tiles.mark({ row: this.row, col: this.col });
    this.tiles.at = { row: this.row, col: this.col };
    this.caption.replaceChildren(math(`∂L/∂${this.names[this.array]}`), ` ${values.rows} × ${values.cols}: touch an entry`);
    [this.rowField.value, this.colField.value] = [String(this.row), String(this.col)];
    this.rowField.max = String(values.rows - 1);
    this.colField.max = String(values.cols - 1);
    const place = this.row * values.cols + this.col;
    const step = 10 ** this.exponent;
    this.size.textContent = number(step, 2);
    const [up, down] = [step, -step].map((by) => lossAt(lesson.net, values, place, by, lesson.X, lesson.Y));
    const numeric = (up.loss - down.loss) / (2 * step);
    this.tell(values.data[place], slopes.data[place], numeric, [down.loss, up.loss], crossesKink(lesson.net, down.pass, up.pass, lesson.Y));
    this.draw(values, place, slopes.data[place], step, [down.loss, up.loss]);
  }

  /** @param {number} w @param {number} analytic @param {number} numeric @param {number[]} losses @param {boolean} kink */
  tell(w, analytic, numeric, [down, up], kink) {
    const { lesson, array, row, col, layers } = this;
    const name = array % 2 ? `${this.names[array]}[${col}]` : `${this.names[array]}[${row}, ${col}]`;
    const to = placeName(lesson, axis((array >> 1) + 1, layers), col);
    const what = array % 2 ? `the bias of ${to}` : `from ${placeName(lesson, axis(array >> 1, layers), row)} to ${to}`;
    const error = relativeError(analytic, numeric);
    const rows = /** @type {[string, string][]} */ ([
      [`L(w + h)`, number(up, 8)], [`L(w − h)`, number(down, 8)],
      ["(L(w + h) − L(w − h)) / 2h", number(numeric, 7)], [`∂L/∂w by backpropagation`, number(analytic, 7)],
      ["relative error", number(error, 2)],
    ]);
    const verdict = kink
      ? "A unit, or the loss, changes sides between w − h and w + h: across that kink the difference means nothing. A smaller nudge stays on one side; mlp gradcheck skips such entries."
      : error < 1e-6 ? "They agree: the backward pass is right about this weight."
        : this.exponent > -3 ? "Nearly. The difference cuts a chord through the curve; a smaller nudge comes closer to the tangent, with an error that shrinks like h²."
          : "The nudge is so small that the loss's own rounding shows: about 10⁻¹⁶ divided by 2h. A larger one is better.";
    this.result.replaceChildren(h("h3", {}, math(`w = ${name} = ${number(w)}`)), h("p", { class: "note" }, `${what[0].toUpperCase()}${what.slice(1)}.`),
      h("table", {}, h("tbody", {}, ...rows.map(([label, value], i) => h("tr", { class: i === 2 || i === 3 ? "chosen" : "" },
        h("th", { scope: "row" }, math(label)), h("td", {}, value))))));
    this.verdict.className = kink ? "verdict wrong" : error < 1e-6 ? "verdict right" : "verdict";
    this.verdict.textContent = verdict;
  }

  /** The loss as this one weight moves, with the tangent and the chord.
   * @param {Matrix} values @param {number} place @param {number} slope @param {number} step @param {number[]} losses */
  draw(values, place, slope, step, [down, up]) {
    const { lesson } = this;
    const w = values.data[place];
    const curve = Array.from({ length: POINTS + 1 }, (_, i) => {
      const by = VIEW * ((2 * i) / POINTS - 1);
      return /** @type {[number, number]} */ ([w + by, lossAt(lesson.net, values, place, by, lesson.X, lesson.Y).loss]);
    });
    const ends = [-VIEW, VIEW].map((by) => /** @type {[number, number]} */ ([w + by, lesson.loss + slope * by]));
    const levels = curve.map((p) => p[1]);
    const [low, high] = [Math.min(...levels), Math.max(...levels)];
    const margin = Math.max(high - low, 0.02 * Math.abs(high), 1e-9) * 0.15;
    this.stage.replaceChildren(h("figure", {}, chart("The loss as this weight moves, its tangent, and the chord between the two nudges", {
      x: "w", y: "L", yRange: [low - margin, high + margin], xRange: [w - VIEW, w + VIEW],
      series: [
        { kind: "curve", points: curve }, { kind: "tangent", points: ends },
        { kind: "chord", points: [[w - step, down], [w + step, up]] },
        { kind: "chord-dots", dots: true, points: [[w - step, down], [w + step, up]] },
        { kind: "value-dots", dots: true, points: [[w, lesson.loss]] },
      ],
    }), h("figcaption", {}, h("span", { class: "key curve" }, "the loss"), h("span", { class: "key tangent" }, "slope by backpropagation"), h("span", { class: "key chord" }, "w − h to w + h"))));
  }
}
