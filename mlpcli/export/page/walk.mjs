// Lines one after another, one of them open: the forward and the backward pass.

import { shapesOf } from "./derivation.mjs";
import { button, h, math, prose, setIdle } from "./dom.mjs";
import { Strips, classTable, lossPanel, onePanel } from "./panels.mjs";
import { Product } from "./product.mjs";

/** @typedef {import("./derivation.mjs").Line} Line */
/** @typedef {import("./lesson.mjs").Lesson} Lesson */

export class Walk {
  /** @param {Lesson} lesson @param {HTMLElement} place @param {Line[]} lines @param {"forward" | "backward"} way */
  constructor(lesson, place, lines, way) {
    this.lesson = lesson;
    this.lines = lines;
    this.way = way;
    this.open = 0;
    this.panel = h("div", { class: "panel" });
    /** @type {Product | Strips | null} */
    this.view = null;
    this.back = button("← Back", () => this.go(this.open - 1));
    this.next = button("Next line →", () => this.go(this.open + 1), { class: "main" });
    this.count = h("span", { class: "count", "aria-live": "polite" });
    this.chain = h("div", { class: "chain", "aria-hidden": "true" },
      ...lines.map((line) => h("span", { onclick: () => this.go(lines.indexOf(line)) }, math(line.makes))));
    this.heads = lines.map((line, i) => h("button", { type: "button", class: "line", onclick: () => this.go(i) },
      math(line.formula), h("span", { class: "shapes" })));
    this.list = h("ol", { class: "lines" }, ...this.heads.map((head) => h("li", {}, head)));
    place.append(this.chain, h("div", { class: "walking" }, this.back, this.next, this.count), this.list);
    place.addEventListener("keydown", (e) => this.key(e));
    lesson.watch(() => this.show(), place);
    new ResizeObserver(() => this.show()).observe(place);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = { PageDown: 1, PageUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.go(this.open + by);
  }

  /** @param {number} place */
  go(place) {
    if (place < 0 || place >= this.lines.length || place === this.open) return;
    this.open = place;
    this.view = null;
    this.show();
    this.heads[place].scrollIntoView({ block: "nearest" });
  }

  show() {
    const { lesson, lines, open } = this;
    const line = lines[open];
    const standing = { net: lesson.net, Y: lesson.Y, pass: lesson.pass, gradient: lesson.gradient, losses: lesson.losses };
    setIdle(this.back, open === 0);
    setIdle(this.next, open === lines.length - 1);
    this.count.textContent = `line ${open + 1} of ${lines.length}`;
    this.heads.forEach((head, i) => {
      head.setAttribute("aria-expanded", String(i === open));
      const item = /** @type {HTMLElement} */ (head.parentElement);
      item.className = i === open ? "open" : i < open ? "done" : this.way === "backward" ? "ahead" : "";
      /** @type {Element} */ (head.lastElementChild).textContent = i <= open || this.way === "forward" ? shapesOf(lines[i], standing) : "";
    });
    [...this.chain.children].forEach((chip, i) => (chip.className = i === open ? "open" : i < open ? "done" : ""));
    this.place(line, standing);
  }

  /** @param {Line} line @param {import("./derivation.mjs").Standing} standing */
  place(line, standing) {
    const operands = line.operands(standing);
    const head = this.heads[this.open];
    if (!this.view || this.panel.parentElement !== head.parentElement) {
      const work = h("div", { class: "work" });
      this.panel.replaceChildren(h("p", { class: "rule" }, prose(line.rule)), work);
      head.after(this.panel);
      this.view = line.kind === "product" ? new Product(this.lesson, work)
        : ["activation", "gate", "sums"].includes(line.kind) ? new Strips(this.lesson, work) : null;
    }
    const work = /** @type {HTMLElement} */ (this.panel.lastElementChild);
    if (this.view instanceof Product) this.view.show(operands);
    else if (this.view instanceof Strips) this.view.show(line, operands);
    else if (line.kind === "loss") lossPanel(this.lesson, work);
    else if (line.kind === "one") onePanel(this.lesson, work);
    else classTable(this.lesson, work, line, operands);
  }
}
