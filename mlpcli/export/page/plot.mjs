// Small line charts in SVG, drawn with the page's own colours.

import { s, short } from "./dom.mjs";

/** @typedef {object} Series
 * @property {string} kind its class, which gives the colour
 * @property {string} [name]
 * @property {[number, number][]} points
 * @property {boolean} [dots] draw points, not a line */

/** About `count` round numbers from low to high. @param {number} low @param {number} high @param {number} count */
export function ticks(low, high, count) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  /** @type {number[]} */
  const result = [];
  for (let t = Math.ceil(low / unit - 1e-9) * unit; t <= high + unit * 1e-9; t += unit) {
    result.push(Math.abs(t) < unit * 1e-9 ? 0 : t);
  }
  return result;
}

const SIZE = { width: 460, height: 240, left: 46, right: 12, top: 26, bottom: 34 };

/** A chart. @param {string} title for those who don't see it
 * @param {{series: Series[], x: string, y: string, from?: number, xRange?: [number, number], yRange?: [number, number],
 *   format?: (v: number) => string, logX?: boolean}} chart */
export function chart(title, { series, x, y, from, xRange, yRange, format = short }) {
  const { width, height, left, right, top, bottom } = SIZE;
  const points = series.flatMap((one) => one.points).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  const [x0, x1] = xRange ?? extent(points.map((p) => p[0]));
  const [y0, y1] = yRange ?? padded(extent(points.map((p) => p[1])), from);
  /** @param {number} v */
  const X = (v) => left + ((v - x0) / (x1 - x0 || 1)) * (width - left - right);
  /** @param {number} v */
  const Y = (v) => height - bottom - ((Math.min(Math.max(v, y0 - (y1 - y0)), y1 + (y1 - y0)) - y0) / (y1 - y0 || 1)) * (height - top - bottom);
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, class: "chart" },
    ...ticks(y0, y1, 5).map((t) => s("g", { class: "tick" },
      s("line", { x1: left, x2: width - right, y1: Y(t), y2: Y(t) }),
      s("text", { x: left - 6, y: Y(t) + 4, "text-anchor": "end" }, format(t)))),
    ...ticks(x0, x1, 5).map((t) => s("text", { x: X(t), y: height - bottom + 16, "text-anchor": "middle" }, tidy(t))),
    s("text", { x: width - right, y: height - 3, "text-anchor": "end", class: "axis" }, x),
    s("text", { x: 2, y: 10, class: "axis" }, y),
    s("svg", { x: left, y: 0, width: width - left - right, height: height - bottom + 5, viewBox: `${left} 0 ${width - left - right} ${height - bottom + 5}` },
      ...series.map((one) => drawn(one, X, Y))));
}

/** @param {Series} one @param {(v: number) => number} X @param {(v: number) => number} Y */
function drawn({ kind, points, dots }, X, Y) {
  const seen = points.filter(([, b]) => Number.isFinite(b));
  if (dots) return s("g", { class: kind }, ...seen.map(([a, b]) => s("circle", { cx: X(a), cy: Y(b), r: 4.5 })));
  return s("polyline", { class: kind, points: seen.map(([a, b]) => `${X(a).toFixed(1)},${Y(b).toFixed(1)}`).join(" ") });
}

/** @param {number} t */
const tidy = (t) => String(Number(t.toPrecision(4))).replace("-", "−");

/** @param {number[]} values @returns {[number, number]} */
export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  return low <= high ? [low, high] : [0, 1];
}

/** @param {[number, number]} range @param {number} [from] @returns {[number, number]} */
function padded([low, high], from) {
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [from !== undefined && from <= low ? from : low - margin, high + margin];
}
