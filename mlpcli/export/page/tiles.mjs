// A matrix as tiles: blue where an entry is positive, orange where it is negative, nothing at 0. An entry can be touched.

import { colour, h, short } from "./dom.mjs";

/** @typedef {import("./matrix.mjs").Matrix} Matrix */

/** @param {string} text "r g b" @returns {number[]} */
const channels = (text) => text.split(" ").map(Number);

/** Pixels of a matrix; `paint` is "signs", or "ink" for what is never negative.
 * @param {HTMLCanvasElement} canvas @param {Matrix} A @param {number} scale what is drawn at full strength
 * @param {"signs" | "ink"} paint */
export function painted(canvas, A, scale, paint = "signs") {
  canvas.width = A.cols;
  canvas.height = A.rows;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(A.cols, A.rows);
  const [positive, negative, ink] = ["positive", "negative", "pixel"].map((name) => channels(colour(name)));
  for (let i = 0; i < A.data.length; i++) {
    const share = Math.min(Math.abs(A.data[i]) / (scale || 1), 1);
    const [r, g, b] = paint === "ink" ? ink : A.data[i] > 0 ? positive : negative;
    image.data.set([r, g, b, Math.round(255 * (paint === "ink" ? share : share ** 0.75))], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** The largest size of an entry. @param {Matrix} A */
export function strength(A) {
  let top = 0;
  for (let i = 0; i < A.data.length; i++) top = Math.max(top, Math.abs(A.data[i]));
  return Number.isFinite(top) ? top || 1 : 1;
}

/** A picture of a row or column, shaped as an image. @param {Matrix} A of the image's shape @param {string} label
 * @param {"signs" | "ink"} paint @param {number} [scale] */
export function picture(A, label, paint = "signs", scale = strength(A)) {
  const canvas = h("canvas", { class: "picture", role: "img", "aria-label": label });
  painted(canvas, A, scale, paint);
  return canvas;
}

const NUMBERS = { width: 40, height: 17, entries: 64 }; // tiles large and few enough to be written on

/** A matrix that can be touched, and gone through by arrow keys. */
export class Tiles {
  /** @param {string} name @param {(row: number, col: number) => void} pick */
  constructor(name, pick) {
    this.name = name;
    this.pick = pick;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.marks = h("div", { class: "marks" });
    this.numbers = h("div", { class: "numbers", "aria-hidden": "true" });
    this.element = h("div", {
      class: "tiles", role: "application", tabindex: 0, "aria-roledescription": "matrix",
      onpointerdown: (/** @type {PointerEvent} */ e) => this.touch(e, true),
      onpointermove: (/** @type {PointerEvent} */ e) => this.touch(e, false),
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
    }, this.canvas, this.numbers, this.marks);
    /** @type {Matrix} */
    this.matrix = { rows: 1, cols: 1, data: new Float64Array(1) };
    this.at = { row: 0, col: 0 };
  }

  /** @param {Matrix} A @param {number} width in CSS pixels @param {number} height @param {"signs" | "ink"} paint
   * @param {number} [scale] */
  draw(A, width, height, paint = "signs", scale = strength(A)) {
    this.matrix = A;
    painted(this.canvas, A, scale, paint);
    const [across, down] = [width / A.cols, height / A.rows];
    const { style } = this.element;
    style.setProperty("width", `${width}px`);
    style.setProperty("height", `${height}px`);
    style.setProperty("--across", `${across}px`);
    style.setProperty("--down", `${down}px`);
    this.element.classList.toggle("ruled", across >= 7 && down >= 7);
    this.element.classList.toggle("coarse", across >= 1 || down >= 1);
    this.element.setAttribute("aria-label", `${this.name}, ${A.rows} by ${A.cols}; arrow keys choose an entry`);
    const written = across >= NUMBERS.width && down >= NUMBERS.height && A.data.length <= NUMBERS.entries;
    this.numbers.style.setProperty("grid-template-columns", `repeat(${A.cols}, 1fr)`);
    this.numbers.replaceChildren(...(written ? [...A.data].map((v) => h("span", {}, short(v))) : []));
  }

  /** Outline entries: a row, a column, or one. @param {{row?: number, col?: number}[]} places */
  mark(...places) {
    this.marks.replaceChildren(...places.map(({ row, col }) => {
      const box = h("div");
      const { rows, cols } = this.matrix;
      const set = (/** @type {string} */ name, /** @type {number} */ share) => box.style.setProperty(name, `${100 * share}%`);
      set("left", (col ?? 0) / cols);
      set("width", col === undefined ? 1 : 1 / cols);
      set("top", (row ?? 0) / rows);
      set("height", row === undefined ? 1 : 1 / rows);
      return box;
    }));
  }

  /** @param {PointerEvent} event @param {boolean} down */
  touch(event, down) {
    if (!down && event.pointerType !== "mouse" && !event.buttons) return;
    const box = this.element.getBoundingClientRect();
    const { rows, cols } = this.matrix;
    const place = (/** @type {number} */ share, /** @type {number} */ n) => Math.min(Math.max(Math.floor(share * n), 0), n - 1);
    this.go(place((event.clientY - box.top) / box.height, rows), place((event.clientX - box.left) / box.width, cols));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const far = event.shiftKey ? 10 : 1;
    const [down, right] = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far] }[event.key] ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    const { rows, cols } = this.matrix;
    const within = (/** @type {number} */ x, /** @type {number} */ n) => Math.min(Math.max(x, 0), n - 1);
    this.go(within(this.at.row + down, rows), within(this.at.col + right, cols));
  }

  /** @param {number} row @param {number} col */
  go(row, col) {
    if (row === this.at.row && col === this.at.col && this.marks.childElementCount) return;
    this.at = { row, col };
    this.pick(row, col);
  }
}
