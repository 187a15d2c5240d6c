// A pad to draw on, by mouse, finger, pen or arrow keys; what is drawn is prepared as `mlp predict` prepares a picture.

import { button, h } from "./dom.mjs";
import { matrix, maximum } from "./matrix.mjs";
import { posed, prepare } from "./prepare.mjs";
import { painted } from "./tiles.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */

export const SIDE = 280; // pixels of the pad, whatever its size on the page
const [STROKE, MOVE] = [20, 7]; // width of the pen, and how far an arrow key takes it

/** The pad and, beside it, what the network sees. @param {Lesson} lesson @returns {HTMLElement} */
export function pad(lesson) {
  const image = lesson.facts.image;
  if (!image) return h("div");
  const seen = h("canvas", { class: "picture", role: "img", "aria-label": "The image as the network sees it", id: "seen" });
  const after = h("figure", { class: "seen" }, seen, h("figcaption", {}, "After: as the network sees it, ", `${image.height} × ${image.width}`));
  lesson.watch(() => painted(seen, matrix(image.height, image.width, lesson.raw), image.fullScale ?? maximum(lesson.raw), "ink"));
  if (!image.fullScale) return h("div", { class: "pads" }, after); // its pixels have no scale to draw on
  const surface = new Surface((grey) => {
    const pixels = prepare({ height: SIDE, width: SIDE, data: grey }, [image.height, image.width], image.frame);
    const scale = Number(image.fullScale) / 255;
    const made = pixels ? pixels.map((v) => Math.fround(v * scale)) : new Float64Array(image.height * image.width);
    lesson.look(image.pose ? posed(made, image.height, image.width, image.pose) : made);
  });
  lesson.watch(() => lesson.sample >= 0 && surface.clear());
  const before = h("figure", { class: "drawn" }, surface.element,
    h("figcaption", {}, "Before: draw here. ", h("span", { class: "keys" }, "Keys: arrows move, Space lifts and lowers the pen.")));
  return h("div", { class: "pads" }, before, after,
    h("div", { class: "buttons" }, button("Undo", () => surface.undo()), button("Clear", () => surface.clear(true))));
}

/** Strokes on a canvas, black on white. */
class Surface {
  /** @param {(grey: Float64Array) => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {[number, number][][]} */
    this.strokes = [];
    /** @type {[number, number]} */
    this.pen = [SIDE / 2, SIDE / 4];
    this.down = false;
    this.canvas = h("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
    this.cursor = h("div", { class: "cursor" });
    this.said = h("span", { class: "unseen", role: "status" });
    this.element = h("div", {
      class: "surface", id: "pad", tabindex: 0, role: "application", "aria-label": "Drawing pad; arrow keys move the pen, Space lowers and lifts it, Backspace undoes",
      onpointerdown: (/** @type {PointerEvent} */ e) => this.begin(e),
      onpointermove: (/** @type {PointerEvent} */ e) => this.move(e),
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
    }, this.canvas, this.cursor, this.said);
    this.draw();
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  where(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button) return;
    this.element.setPointerCapture(event.pointerId);
    this.down = false;
    this.strokes.push([this.where(event)]);
    this.draw(true);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (!event.buttons || !this.strokes.length || !this.element.hasPointerCapture(event.pointerId)) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.strokes[this.strokes.length - 1].push(...(events.length ? events : [event]).map((e) => this.where(e)));
    this.draw(true);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const [x, y] = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key] ?? [0, 0];
    if (x || y) {
      const within = (/** @type {number} */ v) => Math.min(Math.max(v, 0), SIDE);
      this.pen = [within(this.pen[0] + x * MOVE), within(this.pen[1] + y * MOVE)];
      if (this.down) this.strokes[this.strokes.length - 1].push(this.pen);
    } else if (event.key === " ") {
      this.down = !this.down;
      if (this.down) this.strokes.push([this.pen]);
      this.said.textContent = this.down ? "pen down" : "pen up";
    } else if (event.key === "Backspace" || event.key === "Delete") this.undo();
    else return;
    event.preventDefault();
    this.draw(this.down);
  }

  undo() {
    this.down = false;
    this.strokes.pop();
    this.draw(true);
  }

  /** @param {boolean} [tell] */
  clear(tell = false) {
    if (!this.strokes.length) return;
    this.down = false;
    this.strokes = [];
    this.draw(tell);
  }

  /** @param {boolean} [tell] whether what is drawn has changed */
  draw(tell = false) {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.fillStyle = "white";
    context.fillRect(0, 0, SIDE, SIDE);
    Object.assign(context, { lineWidth: STROKE, lineCap: "round", lineJoin: "round", strokeStyle: "black" });
    for (const [[x, y], ...rest] of this.strokes) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x, y + 0.01);
      rest.forEach(([a, b]) => context.lineTo(a, b));
      context.stroke();
    }
    this.cursor.style.left = `${(100 * this.pen[0]) / SIDE}%`;
    this.cursor.style.top = `${(100 * this.pen[1]) / SIDE}%`;
    this.cursor.classList.toggle("down", this.down);
    if (tell) this.changed(Float64Array.from({ length: SIDE * SIDE }, this.reader(context)));
  }

  /** @param {CanvasRenderingContext2D} context */
  reader(context) {
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return (/** @type {unknown} */ _, /** @type {number} */ i) => data[4 * i];
  }
}
