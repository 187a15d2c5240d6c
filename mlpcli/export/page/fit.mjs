// Fit the shapes: put two factors into a product of the right shape. A factor that cannot be there doesn't stay.

import { button, h, math } from "./dom.mjs";
import { flipped, judge, judgeAlone, puzzles } from "./shapes.mjs";

/** @typedef {import("./shapes.mjs").Card} Card */
/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const SLOTS = /** @type {const} */ (["left", "right"]);

export class Fit {
  /** @param {Lesson} lesson @param {HTMLElement} place */
  constructor(lesson, place) {
    this.lesson = lesson;
    /** @type {import("./shapes.mjs").Puzzle[]} */
    this.all = [];
    this.puzzle = 0;
    /** @type {Set<string>} */
    this.solved = new Set();
    /** @type {(Card | null)[]} */
    this.slots = [null, null];
    this.said = h("p", { class: "verdict", role: "status" });
    this.board = h("div", { class: "board" });
    this.hand = h("div", { class: "hand" });
    this.tabs = h("div", { class: "tabs" });
    this.more = h("div", { class: "buttons" });
    place.append(this.tabs, this.board, this.said, this.hand, this.more);
    this.samples = 0;
    lesson.watch(() => {
      if (this.samples !== lesson.X.rows) this.begin(0);
    });
  }

  /** @param {number} place */
  begin(place) {
    this.samples = this.lesson.X.rows;
    this.all = puzzles(this.lesson.facts.network.sizes, this.samples);
    this.puzzle = place;
    this.slots = [null, null];
    this.say(this.all[place].hint);
    this.show();
  }

  /** @param {string} text @param {string} [kind] */
  say(text, kind = "") {
    this.said.className = `verdict ${kind}`;
    this.said.textContent = text;
  }

  /** @returns {Card} */
  get target() {
    return this.all[this.puzzle].target;
  }

  /** Put a card into a slot, if it can be there. @param {Card} card @param {number} slot */
  put(card, slot) {
    const alone = judgeAlone(card, SLOTS[slot], this.target);
    const next = this.slots.map((held, i) => (i === slot ? card : held));
    const [left, right] = next;
    const verdict = left && right ? judge(left, right, this.target) : alone;
    if (verdict.fits) {
      this.slots = next;
      if (left && right) this.solved.add(this.target.name);
    }
    this.say(verdict.why, verdict.fits ? (left && right ? "right" : "") : "wrong");
    this.show();
    if (!verdict.fits) this.board.classList.add("refused");
    const focus = verdict.fits && left && right ? this.more.querySelector("button") : this.hand.querySelector("button");
    /** @type {HTMLElement | null} */ (focus)?.focus({ preventScroll: true });
  }

  /** @param {Card} card */
  play(card) {
    const free = this.slots.indexOf(null);
    if (free >= 0) this.put(card, free);
  }

  show() {
    const { all } = this;
    this.board.classList.remove("refused");
    this.tabs.replaceChildren(...all.map(({ target }, i) => button(`${this.solved.has(target.name) ? "✓ " : ""}${target.name}`,
      () => this.begin(i), { "aria-pressed": String(i === this.puzzle), class: "tab" })));
    this.board.replaceChildren(
      this.cardShape(this.target), h("span", { class: "sign" }, "="),
      ...this.slots.flatMap((card, i) => [i ? h("span", { class: "sign" }, "·") : null, this.slot(card, i)].filter((e) => e !== null)));
    const solved = this.slots.every((card) => card);
    this.hand.replaceChildren(...(solved ? [] : all[this.puzzle].cards.flatMap((card) => [card, flipped(card)]).map((card) => this.card(card))));
    const last = this.puzzle === all.length - 1;
    this.more.replaceChildren(...(solved && !last ? [button("Next one →", () => this.begin(this.puzzle + 1), { class: "main" })] : []),
      ...(this.slots.some((card) => card) ? [button("Take them out", () => this.begin(this.puzzle))] : []));
  }

  /** @param {Card | null} card @param {number} place */
  slot(card, place) {
    const box = h("div", { class: "slot", "data-slot": place });
    if (card) box.append(this.cardShape(card));
    else box.append(h("span", { class: "note" }, `${SLOTS[place]} factor`));
    return box;
  }

  /** A card in the hand: clicked or dragged. @param {Card} card */
  card(card) {
    const element = button("", () => this.play(card), { class: "card" });
    element.append(this.cardShape(card));
    element.addEventListener("pointerdown", (down) => this.drag(element, card, down));
    return element;
  }

  /** @param {HTMLElement} element @param {Card} card @param {PointerEvent} down */
  drag(element, card, down) {
    const move = (/** @type {PointerEvent} */ e) => {
      element.style.transform = `translate(${e.clientX - down.clientX}px, ${e.clientY - down.clientY}px)`;
    };
    const up = (/** @type {PointerEvent} */ e) => {
      element.removeEventListener("pointermove", move);
      element.style.transform = "";
      const far = Math.hypot(e.clientX - down.clientX, e.clientY - down.clientY) > 8;
      if (!far) return; // a click, which is heard of as one
      element.addEventListener("click", (click) => click.stopImmediatePropagation(), { capture: true, once: true });
      const slot = [...this.board.querySelectorAll(".slot")].findIndex((box) => {
        const { left, right, top, bottom } = box.getBoundingClientRect();
        return e.clientX >= left && e.clientX <= right && e.clientY >= top && e.clientY <= bottom;
      });
      if (slot >= 0) this.put(card, slot);
    };
    element.setPointerCapture(down.pointerId);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up, { once: true });
    element.addEventListener("pointercancel", () => (element.style.transform = ""), { once: true });
  }

  /** A card's name, letters, and rectangle to scale. @param {Card} card */
  cardShape(card) {
    const longest = Math.max(...this.all[this.puzzle].cards.flatMap(({ rows, cols }) => [rows.length, cols.length]));
    const length = (/** @type {number} */ n) => `${Math.max((84 * n) / longest, 5)}px`;
    const rectangle = h("span", { class: "rectangle" });
    rectangle.style.width = length(card.cols.length);
    rectangle.style.height = length(card.rows.length);
    return h("span", { class: "shape" }, h("span", { class: "outline" }, rectangle), math(card.name),
      h("span", { class: "dims" }, math(`${card.rows.letter} × ${card.cols.letter}`), h("br"), `${card.rows.length} × ${card.cols.length}`));
  }
}
