// How it was trained: the curves, and what became of the first layer's weights.

import { choice, h } from "./dom.mjs";
import { unpacked } from "./decode.mjs";
import { matrix } from "./matrix.mjs";
import { chart } from "./plot.mjs";
import { painted } from "./tiles.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */
/** @typedef {import("./matrix.mjs").Matrix} Matrix */

/** @param {Lesson} lesson @param {HTMLElement} place */
export function trainingSection(lesson, place) {
  const { history } = lesson.facts;
  if (history.epoch?.length > 1) {
    place.append(h("div", { class: "curves" }, ...["loss", "accuracy", "rmse"].map((key) => curve(history, key)).filter((e) => e !== null)),
      h("p", { class: "note" }, `Training figures are means over an epoch's batches, each before its own step. The dot marks epoch ${history.best}, whose weights were kept.`));
  }
  place.append(firstLayer(lesson));
}

/** @param {import("./lesson.mjs").Facts["history"]} history @param {string} key */
function curve(history, key) {
  const parts = ["train", "val"].filter((part) => history[`${part}_${key}`]);
  if (!parts.length) return null;
  const series = parts.map((part) => ({
    kind: part, points: history.epoch.map((epoch, i) => /** @type {[number, number]} */ ([epoch, history[`${part}_${key}`][i] ?? NaN])),
  }));
  const last = series[series.length - 1];
  const best = last.points.filter(([epoch]) => epoch === history.best);
  const name = { loss: "loss", accuracy: "share that is right", rmse: "root mean squared error" }[key] ?? key;
  return h("figure", {}, chart(`${name} over the epochs`, {
    x: "epoch", y: name, series: [...series, { kind: `${last.kind} dots`, dots: true, points: best }], ...(key === "accuracy" ? {} : { from: 0 }),
  }), h("figcaption", {}, ...parts.map((part) => h("span", { class: `key ${part}` }, part === "train" ? "training" : "validation"))));
}

const TIMES = /** @type {const} */ ({ start: "At the start", best: "Best epoch", end: "At the end", now: "Now" });

/** @param {Lesson} lesson */
function firstLayer(lesson) {
  const { facts } = lesson;
  const { units, times } = facts.firstLayer;
  const rows = facts.network.sizes[0];
  const of = (/** @type {Matrix} */ W) => matrix(rows, units.length, Array.from({ length: rows * units.length }, (_, i) => W.data[Math.floor(i / units.length) * W.cols + units[i % units.length]]));
  const known = /** @type {(keyof typeof TIMES)[]} */ (["start", "best", "end", "now"]).filter((time) => time === "best" || time === "now" || times[time]);
  const weights = (/** @type {keyof typeof TIMES} */ time) =>
    time === "now" ? of(lesson.net.W[0]) : time === "best" ? of(lesson.trained.W[0]) : matrix(rows, units.length, unpacked(times[time]));
  const canvas = h("canvas", { class: "weights", role: "img" });
  let time = /** @type {keyof typeof TIMES} */ ("best");
  const best = of(lesson.trained.W[0]).data.map(Math.abs).sort();
  const scale = best[Math.floor(0.995 * (best.length - 1))] || 1;
  const draw = () => {
    const A = facts.image ? sheet(weights(time), facts.image.height, facts.image.width) : weights(time);
    canvas.setAttribute("aria-label", `Weights into ${units.length} units of the first layer: ${TIMES[time]}`);
    canvas.classList.toggle("plain", !facts.image);
    painted(canvas, A, scale);
  };
  const { element } = choice("Weights", known.map((t) => TIMES[t]), known.indexOf("best"), (place) => {
    time = known[place];
    draw();
  }, true);
  lesson.watch(() => time === "now" && draw());
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const which = units.length < facts.network.sizes[1] ? `the ${units.length} largest of ${facts.network.sizes[1]} units` : `all ${units.length} units`;
  const about = facts.image ? "each tile the weights into one unit, where the pixels are that they weigh" : "a column per unit, a row per input";
  return h("div", { class: "first-layer" }, h("h3", {}, "What the first layer looks at"),
    h("p", {}, `Of ${which}, ${about}. Blue counts for the unit, orange against it.`), element, canvas);
}

/** The columns as images side by side, a gap between them. @param {Matrix} W @param {number} height @param {number} width */
function sheet(W, height, width) {
  const across = Math.ceil(Math.sqrt(W.cols));
  const down = Math.ceil(W.cols / across);
  const result = matrix(down * (height + 1) - 1, across * (width + 1) - 1);
  for (let u = 0; u < W.cols; u++) {
    const [top, left] = [Math.floor(u / across) * (height + 1), (u % across) * (width + 1)];
    for (let i = 0; i < W.rows; i++) {
      result.data[(top + Math.floor(i / width)) * result.cols + left + (i % width)] = W.data[i * W.cols + u];
    }
  }
  return result;
}
