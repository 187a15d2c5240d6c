// Two numbers as a point in a plane, over the regions that the network decides for. Click, drag, or use the arrow keys.

import { colour, h, s, short } from "./dom.mjs";
import { encodedRows, unpacked } from "./decode.mjs";
import { forward } from "./network.mjs";
import { largest } from "./matrix.mjs";
import { extent, ticks } from "./plot.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const GRID = 96; // answers along a side
const KINDS = 8; // colours that can be told apart

/** @param {number} label */
export const kindOf = (label) => `kind${label % KINDS}`;

/** Whether the rows are points of a plane. @param {Lesson} lesson */
export function isPlane({ facts }) {
  const { parts, blocks } = facts.encoding;
  return parts.length === 2 && blocks.every(({ of }) => of === "number" || of === "wave") && parts.every((part) => part.kind === "number");
}

/** @param {Lesson} lesson @returns {HTMLElement} */
export function plane(lesson) {
  const { facts } = lesson;
  const points = facts.points ? unpacked(facts.points.raw) : new Float64Array(0);
  const [xs, ys] = [0, 1].map((d) => wide(extent([
    Number(facts.columns[d].low), Number(facts.columns[d].high), ...points.filter((_, i) => i % 2 === d)])));
  const canvas = h("canvas", { width: GRID, height: GRID, "aria-hidden": "true" });
  const at = s("circle", { r: 2.2, class: "here" });
  const place = (/** @type {number} */ x, /** @type {number} */ y) => [(100 * (x - xs[0])) / (xs[1] - xs[0]), 100 - (100 * (y - ys[0])) / (ys[1] - ys[0])];
  const dots = (facts.points?.labels ?? []).map((label, i) => {
    const [cx, cy] = place(points[2 * i], points[2 * i + 1]);
    return s("circle", { cx, cy, r: 0.9, class: lesson.regression ? "dot" : `dot ${kindOf(label)}` });
  });
  const drawing = s("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }, ...dots, at);
  const ask = (/** @type {number} */ x, /** @type {number} */ y) =>
    lesson.look(Float64Array.of(Math.min(Math.max(x, xs[0]), xs[1]), Math.min(Math.max(y, ys[0]), ys[1])));
  const touch = (/** @type {PointerEvent} */ e) => {
    if (e.type === "pointermove" && !e.buttons) return;
    const box = element.getBoundingClientRect();
    ask(xs[0] + ((e.clientX - box.left) / box.width) * (xs[1] - xs[0]), ys[1] - ((e.clientY - box.top) / box.height) * (ys[1] - ys[0]));
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    const [x, y] = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[e.key] ?? [0, 0];
    if (!x && !y) return;
    e.preventDefault();
    const far = e.shiftKey ? 10 : 50;
    ask(lesson.raw[0] + (x * (xs[1] - xs[0])) / far, lesson.raw[1] + (y * (ys[1] - ys[0])) / far);
  };
  const [a, b] = facts.columns.map((c) => c.name);
  const element = h("div", {
    class: "plane", id: "plane", role: "application", tabindex: 0, onpointerdown: touch, onpointermove: touch, onkeydown: key,
    "aria-label": `The plane of ${a} and ${b}; arrow keys move the point`,
  }, canvas, drawing);
  lesson.watch(() => {
    const [cx, cy] = place(lesson.raw[0], lesson.raw[1]);
    at.setAttribute("cx", String(cx));
    at.setAttribute("cy", String(cy));
  });
  /** @type {unknown} */
  let painted = null;
  const paint = () => {
    if (painted !== lesson.net) regions(lesson, canvas, xs, ys);
    painted = lesson.net;
  };
  lesson.watch(paint, element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => regions(lesson, canvas, xs, ys));
  return h("figure", { class: "planes" }, element,
    h("figcaption", {}, `→ ${a} (${axisText(xs)}), ↑ ${b} (${axisText(ys)}). Dots are training rows${lesson.regression ? "" : "; the ground is what the network says, the stronger the surer"}.`));
}

/** @param {[number, number]} range */
const axisText = (range) => {
  const all = ticks(range[0], range[1], 4);
  return `${short(all[0])} to ${short(all[all.length - 1])}`;
};

/** @param {[number, number]} range @returns {[number, number]} */
function wide([low, high]) {
  const margin = (high - low || 1) * 0.12;
  return [low - margin, high + margin];
}

/** The answers all over the plane. @param {Lesson} lesson @param {HTMLCanvasElement} canvas
 * @param {[number, number]} xs @param {[number, number]} ys */
function regions(lesson, canvas, xs, ys) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const rows = Array.from({ length: GRID * GRID }, (_, i) => [
    xs[0] + (((i % GRID) + 0.5) / GRID) * (xs[1] - xs[0]), ys[1] - ((Math.floor(i / GRID) + 0.5) / GRID) * (ys[1] - ys[0])]);
  const { answers, scores } = forward(lesson.net, encodedRows(lesson.facts.encoding, rows));
  const kinds = Array.from({ length: KINDS }, (_, k) => colour(`kind${k}`).split(" ").map(Number));
  const signs = ["positive", "negative"].map((name) => colour(name).split(" ").map(Number));
  const image = context.createImageData(GRID, GRID);
  const { cols, data } = answers;
  const chance = 1 / cols;
  for (let i = 0; i < GRID * GRID; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const k = largest(scores.data.subarray(i * cols, (i + 1) * cols));
    const [r, g, b] = lesson.regression ? signs[row[0] > 0 ? 0 : 1] : kinds[k % KINDS];
    const strength = lesson.regression ? Math.min(Math.abs(row[0]) / 2, 1) * 0.7 : 0.1 + 0.45 * ((row[k] - chance) / (1 - chance || 1));
    image.data.set([r, g, b, Math.round(255 * (strength || 0))], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
