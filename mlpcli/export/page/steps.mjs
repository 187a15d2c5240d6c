// Take a step: gradient descent on this sample, or on the dozen, by hand.

import { button, choice, h, math, number, percent, setIdle, targetText } from "./dom.mjs";
import { bar } from "./panels.mjs";
import { chart } from "./plot.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const FLOOR = 1e-12; // of the loss, where it is drawn by powers of ten
const LISTED = 10;

/** @typedef {{loss: number, all: number, right: number, answers: Float64Array}} State of the network at a step */

export class Steps {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    /** @type {State[]} */
    this.trace = [];
    this.foreseen = 0;
    this.exponent = -1;
    this.slider = h("input", { type: "range", min: -4, max: 3, step: 0.25, value: this.exponent, oninput: () => {
      this.exponent = Number(this.slider.value);
      this.rate.textContent = number(this.learningRate, 2);
    } });
    this.rate = h("output", {}, number(this.learningRate, 2));
    this.once = button("Take a step", () => this.take(1), { class: "main" });
    this.often = button("Ten steps", () => this.take(10));
    this.back = button("Reset the weights", () => lesson.reset());
    this.said = h("p", { class: "verdict", role: "status" });
    this.table = h("div");
    this.stage = h("figure");
    place.append(
      h("div", { class: "controls" }, h("label", { class: "long" }, "Learning rate ", math("η"), " ", this.slider, this.rate)),
      h("div", { class: "buttons" }, this.once, this.often, this.back), this.said,
      h("div", { class: "stepping" }, this.stage, this.table));
    this.batch = "";
    lesson.watch(() => this.show());
  }

  get learningRate() {
    return Number((10 ** this.exponent).toPrecision(2));
  }

  /** @returns {State} */
  state() {
    const { lesson } = this;
    const { loss, right } = lesson.samples.length ? lesson.everyone() : { loss: NaN, right: 0 };
    return { loss: lesson.loss, all: loss, right, answers: lesson.answer.data };
  }

  /** @param {number} count */
  take(count) {
    const { lesson } = this;
    if (!this.trace.length) this.trace.push(this.state());
    for (let i = 0; i < count && Number.isFinite(lesson.loss); i++) {
      const { gradient } = lesson;
      const square = [...gradient.W, ...gradient.b].reduce((sum, A) => sum + A.data.reduce((a, v) => a + v * v, 0), 0);
      this.foreseen = -this.learningRate * square;
      lesson.descend(this.learningRate);
      this.trace.push(this.state());
    }
    lesson.tell();
  }

  show() {
    const { lesson } = this;
    const batch = lesson.together ? "all" : `${lesson.raw} is ${lesson.label}`;
    if (this.batch !== batch || lesson.steps === 0) this.trace = [];
    this.batch = batch;
    const lost = !Number.isFinite(lesson.loss);
    setIdle(this.once, lost);
    setIdle(this.often, lost);
    setIdle(this.back, lesson.steps === 0);
    this.tell();
    this.compare();
    this.draw();
  }

  tell() {
    const { lesson, trace, foreseen } = this;
    const [before, after] = trace.slice(-2);
    if (!after) {
      const of = lesson.together ? `on the ${lesson.X.rows} samples` : lesson.assumed ? `on this one, taking ${this.right()} for right` : `on this one, where ${this.right()} is right`;
      this.verdict(`The loss is ${number(lesson.loss)} ${of}. A step moves every weight a little against its gradient: W ← W − η·∂L/∂W.`);
      return;
    }
    const change = after.loss - before.loss;
    const line = `Step ${lesson.steps}: the loss went from ${number(before.loss)} to ${number(after.loss)}. `;
    const others = lesson.together ? "" : this.forgotten();
    if (!Number.isFinite(after.loss)) this.verdict(`${line}It has diverged: no number holds it any more. Reset the weights, and take a smaller rate.`, "wrong");
    else if (change > 0) this.verdict(`${line}It grew, where the slope foresaw ${number(foreseen, 2)}: the step went far beyond where the slope holds. The rate is too large.`, "wrong");
    else if (after.loss > 2 * trace[0].loss) this.verdict(`${line}That is still far above ${number(trace[0].loss)}, where it began. The rate is too large.`, "wrong");
    else this.verdict(`${line}The slope foresaw ${number(foreseen, 2)}, −η times the gradient's squared length; it came to ${number(change, 2)}. ${others}`, others ? "wrong" : "right");
  }

  /** What steps on one sample have done to the others, if it is much. */
  forgotten() {
    const [first, last] = [this.trace[0], this.trace[this.trace.length - 1]];
    if (!(last.all > 2 * first.all)) return "";
    const { length } = this.lesson.samples;
    const right = this.lesson.regression ? "" : `, and ${last.right} of them are right instead of ${first.right}`;
    return `But the ${length} samples together went from ${number(first.all, 3)} to ${number(last.all, 3)}${right}: so large a step for one forgets the others. The rate is too large.`;
  }

  right() {
    const { target } = this.lesson.facts;
    return target ? targetText(this.lesson.label, target) : `“${this.lesson.named(this.lesson.label)}”`;
  }

  /** @param {string} text @param {string} [kind] */
  verdict(text, kind = "") {
    this.said.className = `verdict ${kind}`;
    this.said.textContent = text;
  }

  /** Answers before the step and after it. */
  compare() {
    const { lesson, trace } = this;
    const { facts } = lesson;
    const before = trace.length > 1 ? trace[trace.length - 2] : null;
    const now = lesson.answer.data;
    const { target } = facts;
    if (target) {
      const value = (/** @type {number} */ score) => targetText(lesson.inUnit(score), target);
      this.table.replaceChildren(h("p", {}, before ? `${target.name}: ${value(before.answers[0])} before, ` : `${target.name}: `,
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
    const { lesson, trace } = this;
    this.stage.hidden = trace.length < 2;
    if (this.stage.hidden) return;
    const start = lesson.steps - trace.length + 1;
    /** @param {"loss" | "all"} key @returns {[number, number][]} */
    const curve = (key) => trace.map((state, n) => [start + n, Math.log10(Math.max(state[key], FLOOR))]);
    const alone = lesson.together || lesson.samples.length < 2;
    const curves = alone ? [curve("loss")] : [curve("loss"), curve("all")];
    const levels = curves.flat().map((p) => p[1]).filter(Number.isFinite);
    this.stage.replaceChildren(chart("The loss, step by step", {
      x: "steps", y: "loss, by powers of ten",
      series: [...curves.map((points, i) => ({ kind: i ? "chord" : "curve", points })), { kind: "value-dots", dots: true, points: curves[0].slice(-1) }],
      yRange: [Math.floor(Math.min(...levels)), Math.ceil(Math.max(...levels) + 1e-9)],
      format: (t) => (Number.isInteger(t) ? number(10 ** t, 1) : ""),
    }), h("figcaption", {}, h("span", { class: "key curve" }, lesson.together ? `all ${lesson.X.rows} samples` : "this one"),
      alone ? null : h("span", { class: "key chord" }, `all ${lesson.samples.length} samples`)));
  }
}

/** One sample, or all of them, as the batch. @param {Lesson} lesson */
export function batchChoice(lesson) {
  const { element, choose } = choice("Batch", ["One sample, N = 1", `All ${lesson.samples.length}, N = ${lesson.samples.length}`], 0, (place) => lesson.setTogether(place === 1));
  lesson.watch(() => choose(lesson.together ? 1 : 0));
  return element;
}
