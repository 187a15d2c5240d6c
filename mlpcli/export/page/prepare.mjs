// A drawing, made to look like the images that the network was trained on: `prepare` of mlpcli/data, pixel by pixel.

import { maximum } from "./matrix.mjs";

/** @typedef {{height: number, width: number, data: Float64Array}} Grey values from 0 to 255 */

const TIE = 0.01; // of a pixel: what is symmetric lies between two, and noise is not to say where
const FAINT = 16; // of 255: what differs less from its background shows nothing
const STEEPEST = 2; // of a slope: what is steeper has no upright
const MOST = 2; // images are made at most so many times as wide, or as narrow

/** Cut out what is drawn, fit it into a `frame`-th of the image, and centre it by its mass.
 * @param {Grey} grey @param {[number, number]} shape (height, width) of the image to make
 * @param {number} frame @returns {Float64Array | null} its pixels from 0 to 255; null where nothing is drawn */
export function prepare(grey, [height, width], frame) {
  const ground = groundOf(grey);
  const difference = grey.data.map((v, i) => v - ground(i));
  const sign = difference.reduce((a, d) => a + d ** 3, 0) < 0 ? -1 : 1; // dark on light, or light on dark
  const ink = difference.map((d) => Math.max(sign * d, 0));
  if (!(maximum(ink) >= FAINT)) return null;
  const threshold = otsu(ink);
  const box = boundingBox(grey, ink.map((v) => (v > threshold ? 1 : 0)), 4 * Math.max(height, width));
  if (!box) return null;
  const full = median(ink.filter((v) => v > threshold)); // strokes are solid
  const solid = cropped(grey, ink, box, (v) =>
    Math.fround(Math.min(Math.max((v - threshold / 2) / (full - threshold / 2), 0), 1)));
  const scale = Math.min((height * frame) / solid.height, (width * frame) / solid.width);
  const fitted = resized(solid, Math.max(1, even(solid.height * scale)), Math.max(1, even(solid.width * scale)));
  return placed(fitted, height, width, frame < 1 ? 0 : -0.5);
}

/** An image brought into a pose by its moments: `PoseNormaliser` of mlpcli/data/pose.
 * @param {Float64Array} pixels @param {number} height @param {number} width
 * @param {{deslant: boolean, width: number | null}} pose */
export function posed(pixels, height, width, pose) {
  /** @param {number} i */
  const across = (i) => (i % width) - (width - 1) / 2;
  /** @param {number} i */
  const down = (i) => Math.floor(i / width) - (height - 1) / 2;
  const mass = pixels.reduce((a, v) => a + v, 0);
  /** @param {(i: number) => number} f */
  const mean = (f) => pixels.reduce((a, v, i) => a + v * f(i), 0) / mass;
  const [x, y] = [mean(across), mean(down)];
  const lean = (mean((i) => across(i) * down(i)) - x * y) / (mean((i) => down(i) ** 2) - y * y);
  const slope = pose.deslant && Math.abs(lean) <= STEEPEST ? lean : 0;
  const square = Math.max(mean((i) => (across(i) - x - slope * (down(i) - y)) ** 2), 0);
  const stretched = pose.width && square >= 0;
  const step = stretched ? Math.min(Math.max((4 * Math.sqrt(square)) / Number(pose.width), 1 / MOST), MOST) : 1;
  const centre = (stretched ? x : 0) + (width - 1) / 2;
  return pixels.map((_, i) => {
    const away = slope ? slope * (down(i) - y) : 0;
    const place = Math.min(Math.max(centre + step * across(i) + away, 0), width - 1);
    const left = Math.floor(place);
    const row = i - (i % width);
    const [a, b] = [pixels[row + left], pixels[row + Math.min(left + 1, width - 1)]];
    return a + (b - a) * (place - left);
  });
}

/** @param {ArrayLike<number>} values */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Rounded, a half to the even number, as Python does. @param {number} x */
function even(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

/** The background: a plane through the picture's border, without what lies on it.
 * @param {Grey} grey @returns {(place: number) => number} */
function groundOf({ height, width, data }) {
  const strip = Math.max(1, even(0.04 * Math.min(height, width)));
  /** @type {number[]} */
  const border = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (y < strip || y >= height - strip || x < strip || x >= width - strip) border.push(y * width + x);
    }
  }
  const middle = median(border.map((i) => data[i]));
  const spread = 3 * (median(border.map((i) => Math.abs(data[i] - middle))) + 4);
  const kept = border.filter((i) => Math.abs(data[i] - middle) <= spread);
  /** @param {number} i */
  const terms = (i) => [1, (i % width) / width, Math.floor(i / width) / height];
  const [c, a, b] = leastSquares(kept.map(terms), kept.map((i) => data[i] - middle));
  return (i) => middle + c + a * terms(i)[1] + b * terms(i)[2];
}

/** The solution of three normal equations. @param {number[][]} rows @param {number[]} values */
function leastSquares(rows, values) {
  const M = [0, 1, 2].map((i) => [
    ...[0, 1, 2].map((j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0)),
    rows.reduce((sum, row, n) => sum + row[i] * values[n], 0),
  ]);
  for (let i = 0; i < 3; i++) {
    for (let r = 0; r < 3; r++) {
      if (r === i) continue;
      const ratio = M[r][i] / M[i][i];
      M[r] = M[r].map((v, j) => v - ratio * M[i][j]);
    }
  }
  return M.map((row, i) => row[3] / row[i]);
}

/** The threshold between two kinds of values that parts them best (Otsu 1979).
 * @param {Float64Array} values */
function otsu(values) {
  const bins = 256;
  const low = values.reduce((a, v) => Math.min(a, v), Infinity);
  const span = maximum(values) - low;
  const edge = Array.from({ length: bins + 1 }, (_, i) => i * (span / bins) + low);
  edge[bins] = low + span;
  const counts = new Float64Array(bins);
  for (const v of values) {
    let bin = Math.min(Math.trunc(((v - low) / span) * bins), bins - 1);
    if (v < edge[bin]) bin--;
    else if (v >= edge[bin + 1] && bin < bins - 1) bin++;
    counts[bin]++;
  }
  const centre = counts.map((_, i) => (edge[i] + edge[i + 1]) / 2);
  const all = counts.reduce((a, n, i) => a + n * centre[i], 0);
  let below = 0;
  let sum = 0;
  const apart = counts.map((n, i) => {
    below += n;
    sum += n * centre[i];
    const above = values.length - below;
    return above ? below * above * (sum / below - (all - sum) / above) ** 2 : -1;
  });
  const enough = maximum(apart) * (1 - 1e-9); // a gap parts them equally well
  const best = centre.filter((_, i) => apart[i] >= enough);
  return best.reduce((a, c) => a + c, 0) / best.length;
}

/** @typedef {{left: number, top: number, right: number, bottom: number}} Box */

/** What is marked, without specks of dust where the picture is `large` enough to have them.
 * @param {Grey} grey @param {Float64Array} mask @param {number} large @returns {Box | null} */
function boundingBox({ height, width }, mask, large) {
  /** @param {number} y @param {number} x */
  const marked = (y, x) =>
    mask[Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)];
  const filtered = Math.min(height, width) >= large;
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = filtered ? 0 : 5 * marked(y, x);
      for (let d = 0; filtered && d < 9; d++) sum += marked(y + Math.floor(d / 3) - 1, x + (d % 3) - 1);
      if (sum < 5) continue; // the median of nine
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = y + 1;
    }
  }
  return box.bottom ? box : null;
}

/** f of each value within a box. @param {Grey} grey @param {Float64Array} values @param {Box} box
 * @param {(v: number) => number} f @returns {Grey} */
function cropped({ width }, values, { left, top, right, bottom }, f) {
  const size = { height: bottom - top, width: right - left };
  return { ...size, data: Float64Array.from({ length: size.height * size.width }, (_, i) =>
    f(values[(top + Math.floor(i / size.width)) * width + left + (i % size.width)])) };
}

/** Resampled by a triangle filter as wide as what becomes one pixel, as Pillow does.
 * @param {Grey} grey @param {number} height @param {number} width @returns {Grey} */
function resized(grey, height, width) {
  /** @param {number} from @param {number} to */
  const filters = (from, to) => Array.from({ length: to }, (_pixel, n) => {
    const scale = from / to;
    const support = Math.max(scale, 1);
    const centre = (n + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const last = Math.min(Math.trunc(centre + support + 0.5), from);
    const weights = Array.from({ length: last - first }, (_, k) =>
      Math.max(1 - Math.abs((k + first - centre + 0.5) / support), 0));
    const sum = weights.reduce((a, w) => a + w, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
  const across = filters(grey.width, width);
  const down = filters(grey.height, height);
  const narrow = Float64Array.from({ length: grey.height * width }, (_, i) => {
    const { first, weights } = across[i % width];
    const begin = Math.floor(i / width) * grey.width + first;
    return Math.fround(weights.reduce((a, w, k) => a + w * grey.data[begin + k], 0));
  });
  const data = Float64Array.from({ length: height * width }, (_, i) => {
    const { first, weights } = down[Math.floor(i / width)];
    return Math.fround(weights.reduce((a, w, k) => a + w * narrow[(first + k) * width + (i % width)], 0));
  });
  return { height, width, data };
}

/** On an empty image, the centre of mass at pixel length/2 + `middle` as far as it stays within:
 * that of MNIST is at 14.0 of 0 to 27.
 * @param {Grey} thing @param {number} height @param {number} width @param {number} middle */
function placed(thing, height, width, middle) {
  const top = maximum(thing.data);
  const values = thing.data.map((v) => (Math.max(v, 0) * 255) / top);
  /** @param {number} size @param {number} length @param {(i: number) => number} along */
  const begin = (size, length, along) => {
    const mass = values.reduce((a, v) => a + v, 0);
    const centre = values.reduce((a, v, i) => a + v * along(i), 0) / mass;
    return Math.min(Math.max(even(length / 2 + middle - centre - TIE), 0), length - size);
  };
  const y = begin(thing.height, height, (i) => Math.floor(i / thing.width));
  const x = begin(thing.width, width, (i) => i % thing.width);
  const result = new Float64Array(height * width);
  values.forEach((v, i) => {
    result[(y + Math.floor(i / thing.width)) * width + x + (i % thing.width)] = v;
  });
  return result;
}
