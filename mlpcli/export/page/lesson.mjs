// The lesson's state: the network as it is now, the sample that is looked at, and what follows from both.

import { backward, forward, meanLoss, step } from "./network.mjs";
import { encodedRows, readNetwork, unpacked } from "./decode.mjs";
import { largest, matrix, rowOf, stacked } from "./matrix.mjs";
import { lossesOf, oneHot } from "./derivation.mjs";

/** @typedef {import("./decode.mjs").Packed} Packed */
/** @typedef {import("./network.mjs").Network} Network */
/** @typedef {import("./network.mjs").Pass} Pass */

/** @typedef {object} Column of a table
 * @property {string} name
 * @property {"number" | "date" | "category"} kind
 * @property {number} [low] @property {number} [middle] @property {number} [high] the usual range of a number
 * @property {boolean} [whole] whether its numbers are whole
 * @property {boolean} [missing] whether it may be missing
 * @property {boolean} [timed] whether a date has a time of day
 * @property {string[]} [values] of a category, by code
 * @property {number} [usual] the code of the most frequent one */

/** What the file holds; made by lesson_facts.py.
 * @typedef {object} Facts
 * @property {string} name @property {string} source @property {string} made @property {string[]} commands
 * @property {{sizes: number[], activation: string, loss: string, reg: number, params: Record<string, Packed>}} network
 * @property {string[]} classes
 * @property {{name: string, shift: number, factor: number} | null} target of a regression
 * @property {{height: number, width: number, fullScale: number | null, frame: number, pose: {deslant: boolean, width: number | null} | null} | null} image
 * @property {Column[]} columns
 * @property {import("./decode.mjs").Encoding} encoding
 * @property {{row: number, file?: string, label: number, raw: Packed}[]} samples
 * @property {{raw: Packed, labels: number[]} | null} points
 * @property {{split: string, samples: number, loss: number, accuracy?: number, rmse?: number, r2?: number} | null} figures
 * @property {{best: number, epoch: number[]} & Record<string, any>} history
 * @property {{units: number[], times: Record<string, Packed>}} firstLayer */

export class Lesson {
  /** the row that is looked at, as the network takes it (1, D), its answers (1, C), and the likeliest class */
  own = matrix(1, 1);
  answer = matrix(1, 1);
  best = 0;
  /** the batch (N, D), its targets (N, C), and which of its rows is looked at */
  X = matrix(1, 1);
  Y = matrix(1, 1);
  row = 0;
  /** @type {Pass} what the forward pass makes of the batch */
  pass = { A: [], Z: [], scores: this.X, answers: this.X };
  /** each sample's loss (N,), and their mean */
  /** @type {Float64Array} */
  losses = new Float64Array(1);
  loss = 0;
  /** @type {import("./network.mjs").Gradient | null} made when it is asked for */
  slopes = null;

  /** @param {Facts} facts */
  constructor(facts) {
    this.facts = facts;
    this.trained = readNetwork(facts.network);
    /** the network as it is now: trained, nudged, or some steps on */
    this.net = this.trained;
    this.steps = 0;
    this.samples = facts.samples.map((s) => ({ ...s, values: unpacked(s.raw) }));
    /** all the samples as the network takes them (N, D) */
    this.everyX = this.samples.length ? encodedRows(facts.encoding, this.samples.map((s) => s.values)) : this.own;
    /** @type {{watcher: () => void, seen: boolean, stale: boolean}[]} */
    this.watchers = [];
    /** the place of the sample that is looked at, −1 for one of the reader's own */
    this.sample = this.first();
    /** @type {ArrayLike<number>} */
    this.raw = this.samples[this.sample]?.values ?? this.usual();
    this.label = this.samples[this.sample]?.label ?? 0;
    /** whether the label is only what the network said */
    this.assumed = !this.samples.length;
    /** whether all the samples are the batch, rather than one */
    this.together = false;
    this.scheduled = false;
    this.compute();
  }

  /** The sample to begin with: one that it gets wrong, else the one of highest loss, as there is more to see. */
  first() {
    if (!this.samples.length) return -1;
    const { said, losses } = this.everyone();
    const wrong = this.regression ? -1 : said.findIndex((k, i) => k !== this.samples[i].label);
    return wrong >= 0 ? wrong : largest(losses);
  }

  /** A row of usual values, for a reader who begins with nothing. */
  usual() {
    const { columns, network } = this.facts;
    if (!columns.length) return new Float64Array(network.sizes[0]);
    return Float64Array.from(columns, (c) => (c.kind === "category" ? Number(c.usual) : Number(c.middle)));
  }

  get regression() {
    return this.facts.target !== null;
  }

  /** Targets of labels, (N, C). @param {number[]} labels */
  targets(labels) {
    const { target, classes } = this.facts;
    if (target) return matrix(labels.length, 1, labels.map((y) => (y - target.shift) * target.factor));
    return stacked(labels.map((label) => oneHot(label, classes.length).data));
  }

  compute() {
    const { encoding } = this.facts;
    this.own = encodedRows(encoding, [this.raw]);
    const { answers, scores } = forward(this.net, this.own);
    this.answer = answers;
    this.best = largest(scores.data); // by scores, as probabilities of 1 may not differ
    if (this.assumed) this.label = this.regression ? this.value() : this.best;
    const batch = this.together && this.samples.length;
    this.X = batch ? this.everyX : this.own;
    this.Y = this.targets(batch ? this.samples.map((s) => s.label) : [this.label]);
    this.pass = forward(this.net, this.X);
    this.losses = lossesOf(this.net, this.pass, this.Y);
    this.loss = meanLoss(this.net, this.pass, this.Y);
    this.row = batch ? Math.max(this.sample, 0) : 0;
    this.slopes = null;
  }

  get gradient() {
    this.slopes ??= backward(this.net, this.pass, this.Y);
    return this.slopes;
  }

  /** The predicted value of a regression, in the target's unit. */
  value() {
    const { target } = this.facts;
    return target ? this.inUnit(this.answer.data[0]) : NaN;
  }

  /** A regression's score in the target's unit. @param {number} score */
  inUnit(score) {
    const { target } = this.facts;
    return target ? score / target.factor + target.shift : NaN;
  }

  /** Look at a row of the reader's own. @param {ArrayLike<number>} raw */
  look(raw) {
    Object.assign(this, { raw, sample: -1, assumed: true, together: false });
    this.changed();
  }

  /** Look at one of the samples. @param {number} place */
  choose(place) {
    const { values, label } = this.samples[place];
    Object.assign(this, { raw: values, sample: place, label, assumed: false });
    this.changed();
  }

  /** Say which label is right. @param {number} label */
  teach(label) {
    Object.assign(this, { label, assumed: false, together: false });
    this.changed();
  }

  /** @param {boolean} together */
  setTogether(together) {
    this.together = together;
    if (together && this.sample < 0) this.sample = 0;
    if (together) Object.assign(this, { raw: this.samples[this.sample].values, label: this.samples[this.sample].label, assumed: false });
    this.changed();
  }

  /** One step of gradient descent on the batch. @param {number} rate */
  descend(rate) {
    this.assumed = false; // what was assumed to be right stays so
    this.net = step(this.net, this.gradient, rate);
    this.steps++;
    this.compute();
  }

  /** Of all the samples: the losses and their mean, what the network says, and how often a class is right. */
  everyone() {
    const pass = forward(this.net, this.everyX);
    const said = this.samples.map((_, i) => {
      const { data } = rowOf(pass.scores, i);
      return this.regression ? this.inUnit(data[0]) : largest(data);
    });
    const Y = this.targets(this.samples.map((one) => one.label));
    return { losses: lossesOf(this.net, pass, Y), loss: meanLoss(this.net, pass, Y), said, right: said.filter((k, i) => k === this.samples[i].label).length };
  }

  reset() {
    this.net = this.trained;
    this.steps = 0;
    this.changed();
  }

  /** Call `watcher` now and after every change; if it draws in a `place`, only once that is in sight.
   * @param {() => void} watcher @param {Element} [place] */
  watch(watcher, place) {
    const one = { watcher, seen: true, stale: false };
    const show = () => {
      if (one.stale) watcher();
      one.stale = false;
    };
    if (place) {
      addEventListener("beforeprint", show);
      new IntersectionObserver((entries) => {
        one.seen = entries[entries.length - 1].isIntersecting;
        if (one.seen) show();
      }, { rootMargin: "200px" }).observe(place);
    }
    this.watchers.push(one);
    watcher();
  }

  /** Recompute, and tell those who watch, once before the next picture. */
  changed() {
    this.compute();
    this.tell();
  }

  tell() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      for (const one of this.watchers) {
        if (one.seen) one.watcher();
        else one.stale = true;
      }
    });
  }

  /** The name of a class, or a regression's value. @param {number} label */
  named(label) {
    return this.facts.classes[label] ?? String(label);
  }
}
