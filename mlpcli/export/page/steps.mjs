// Take a step: gradient descent on this sample, or on the dozen, by hand.

import { button, choice, h, math, number, percent } from "./dom.mjs";
import { bar } from "./panels.mjs";
import { chart } from "./plot.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const FLOOR = 1e-12; // of the loss, where it is drawn by powers of ten
const LISTED = 10;

export class Steps {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    /** @type {[number, number][]} */
    this.trace = [];
    /** @type {{loss: number, answers: Float64Array, foreseen: number} | null} */
    this.before = null;
    this.exponent = -1;
    this.slider = h("input", { type: "range", min: -4, max: 3, step: 0.25, value: this.exponent, oninput: () => {
      this.exponent = Number(this.slider.value);
      this.show();
    } });
    this.rate = h("output");
    this.once = button("Take a step", () => this.take(1), { class: "main" });
    this.often = button("Ten steps", () => this.take(10));
    this.back = button("Reset the weights", () => this.reset());
    this.said = h("p", { class: "verdict", role: "status" });
    this.table = h("div");
    this.stage = h("figure");
    place.append(
      h("div", { class: "controls" }, h("label", { class: "long" }, "Learning rate ", math("η"), " ", this.slider, this.rate)),
      h("div", { class: "buttons" }, this.once, this.often, this.back), this.said,
      h("div", { class: "stepping" }, this.table, this.stage));
    this.batch = "";
    lesson.watch(() => this.show());
  }

  get learningRate() {
    return Number((10 ** this.exponent).toPrecision(2));
  }

  /** @param {number} count */
  take(count) {
    const { lesson } = this;
    for (let i = 0; i < count && Number.isFinite(lesson.loss); i++) {
      const { gradient } = lesson;
      const square = [...gradient.W, ...gradient.b].reduce((sum, A) => sum + A.data.reduce((a, v) => a + v * v, 0), 0);
      this.before = { loss: lesson.loss, answers: lesson.answer.data, foreseen: -this.learningRate * square };
      if (!this.trace.length) this.trace.push([lesson.steps, lesson.loss]);
      lesson.descend(this.learningRate);
      this.trace.push([lesson.steps, lesson.loss]);
    }
    lesson.tell();
  }

  reset() {
    this.trace = [];
    this.before = null;
    this.lesson.reset();
  }

  show() {
    const { lesson } = this;
    const batch = `${lesson.together} ${lesson.together ? "" : lesson.sample} ${lesson.together ? "" : lesson.label}`;
    if (this.batch !== batch || lesson.steps === 0) {
      this.trace = [];
      this.before = null;
    }
    this.batch = batch;
    this.rate.textContent = number(this.learningRate, 2);
    const lost = !Number.isFinite(lesson.loss);
    this.once.disabled = this.often.disabled = lost;
    this.back.disabled = lesson.steps === 0;
    this.tell();
    this.compare();
    this.draw();
  }

  tell() {
    const { lesson, before } = this;
    if (!before) {
      const of = lesson.together ? `on the ${lesson.X.rows} samples` : lesson.assumed ? `on this one, taking ${this.right()} for right` : `on this one, where ${this.right()} is right`;
      this.verdict(`The loss is ${number(lesson.loss)} ${of}. A step moves every weight a little against its gradient: W ← W − η·∂L/∂W.`);
      return;
    }
    const change = lesson.loss - before.loss;
    const line = `Step ${lesson.steps}: the loss went from ${number(before.loss)} to ${number(lesson.loss)}. `;
    if (!Number.isFinite(lesson.loss)) this.verdict(`${line}It has diverged: no number holds it any more. Reset the weights, and take a smaller rate.`, "wrong");
    else if (change > 0) this.verdict(`${line}It grew, where the slope foresaw ${number(before.foreseen, 2)}: the step went far beyond where the slope holds. The rate is too large.`, "wrong");
    else this.verdict(`${line}The slope foresaw ${number(before.foreseen, 2)}, −η times the gradient's squared length; it came to ${number(change, 2)}.`, "right");
  }

  right() {
    return this.lesson.regression ? number(this.lesson.label) : `“${this.lesson.named(this.lesson.label)}”`;
  }

  /** @param {string} text @param {string} [kind] */
  verdict(text, kind = "") {
    this.said.className = `verdict ${kind}`;
    this.said.textContent = text;
  }

  /** Answers before the step and after it. */
  compare() {
    const { lesson, before } = this;
    const { facts } = lesson;
    const now = lesson.answer.data;
    if (facts.target) {
      const value = (/** @type {number} */ s) => number(s / (facts.target?.factor ?? 1) + (facts.target?.shift ?? 0));
      this.table.replaceChildren(h("p", {}, before ? `${facts.target.name}: ${value(before.answers[0])} before, ` : `${facts.target.name}: `,
        h("strong", {}, value(now[0])), before ? " after." : "."));
      return;
    }
    const shown = [...now.keys()].sort((a, b) => now[b] - now[a]).slice(0, LISTED);
    if (!shown.includes(lesson.label)) shown[shown.length - 1] = lesson.label;
    shown.sort((a, b) => a - b);
    this.table.replaceChildren(h("table", { class: "classes" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "class"), h("th", { scope: "col" }, "before"), h("th", { scope: "col" }, "after"), h("td"))),
      h("tbody", {}, ...shown.map((k) => h("tr", { class: k === lesson.label ? "chosen" : "" }, h("th", { scope: "row" }, facts.classes[k]),
        h("td", {}, before ? percent(before.answers[k]) : "–"), h("td", {}, percent(now[k])), h("td", { class: "bar" }, bar(now[k])))))));
  }

  draw() {
    const points = this.trace.map(([n, loss]) => /** @type {[number, number]} */ ([n, Math.log10(Math.max(loss, FLOOR))]));
    if (points.length < 2) {
      this.stage.replaceChildren();
      return;
    }
    const levels = points.map((p) => p[1]).filter(Number.isFinite);
    this.stage.replaceChildren(chart("The loss, step by step", {
      x: "steps", y: "loss, by powers of ten", series: [{ kind: "curve", points }, { kind: "value-dots", dots: true, points: points.slice(-1) }],
      yRange: [Math.floor(Math.min(...levels)), Math.ceil(Math.max(...levels) + 1e-9)],
      format: (t) => (Number.isInteger(t) ? number(10 ** t, 1) : ""),
    }));
  }
}

/** One sample, or all of them, as the batch. @param {Lesson} lesson */
export function batchChoice(lesson) {
  const { element, choose } = choice("Batch", ["One sample, N = 1", `All ${lesson.samples.length}, N = ${lesson.samples.length}`], 0, (place) => lesson.setTogether(place === 1));
  lesson.watch(() => choose(lesson.together ? 1 : 0));
  return element;
}
