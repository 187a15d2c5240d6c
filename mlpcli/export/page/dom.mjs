// Elements, formulas and numbers.

const SVG = "http://www.w3.org/2000/svg";

/** Give an element attributes, listeners (on…) and children. @template {Element} E
 * @param {E} element @param {Record<string, any>} attributes @param {(Node | string | null | undefined)[]} children
 * @returns {E} */
function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element. @template {keyof HTMLElementTagNameMap} K @param {K} tag
 * @param {Record<string, any>} [attributes] @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[K]} */
export function h(tag, attributes = {}, ...children) {
  return dressed(document.createElement(tag), attributes, children);
}

/** An SVG element. @template {keyof SVGElementTagNameMap} K @param {K} tag
 * @param {Record<string, any>} [attributes] @param {...(Node | string | null | undefined)} children
 * @returns {SVGElementTagNameMap[K]} */
export function s(tag, attributes = {}, ...children) {
  return dressed(/** @type {SVGElementTagNameMap[K]} */ (document.createElementNS(SVG, tag)), attributes, children);
}

/** The element with this id. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** A formula: single letters are set as variables. @param {string} text @returns {HTMLElement} */
export function math(text) {
  const parts = text.split(/([A-Za-zΑ-ω]+)/);
  return h("span", { class: "math" }, ...parts.map((part) => (/^[A-Za-zΑ-ω]$/.test(part) ? h("i", {}, part) : part)));
}

/** Text in which what stands between backticks is a formula. @param {string} text */
export function prose(text) {
  return h("span", {}, ...text.split("`").map((part, i) => (i % 2 ? math(part) : part)));
}

/** A button. @param {string} text @param {() => void} act @param {Record<string, any>} [attributes] */
export function button(text, act, attributes = {}) {
  const element = h("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", () => element.ariaDisabled !== "true" && act());
  return element;
}

/** Let a button do nothing, or something again; the focus stays on it. @param {HTMLElement} element @param {boolean} idle */
export function setIdle(element, idle) {
  element.setAttribute("aria-disabled", String(idle));
}

/** A number in about four digits, with a true minus. @param {number} x @param {number} [digits] */
export function number(x, digits = 4) {
  if (Number.isNaN(x)) return "not a number";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = x.toExponential(Math.max(digits - 2, 0)).split("e");
    return `${minus(mantissa)}·10${raised(Number(exponent))}`;
  }
  return minus(size >= 1000 ? x.toFixed(0) : x.toPrecision(digits));
}

/** A number to predict, with the digits that tell it from others if these have many in common.
 * @param {number} x @param {{shift: number, factor: number}} target @param {number} [digits] */
export function targetText(x, { shift, factor }, digits = 4) {
  const alike = Math.floor(Math.log10(Math.max(Math.abs(shift) * factor, 1)));
  return alike < 2 || !Number.isFinite(x) ? number(x, digits) : minus(x.toPrecision(Math.min(digits + alike, 17)));
}

/** A value of a column, in about as many digits as its usual range needs.
 * @param {number} x @param {{low?: number, high?: number, whole?: boolean}} column */
export function measure(x, { low = 0, high = 1, whole }) {
  if (!Number.isFinite(x) || Math.abs(x) >= 1e9) return number(x);
  const places = whole ? 0 : Math.min(Math.max(Math.ceil(1.5 - Math.log10(high - low || Math.abs(high) || 1)), 0), 9);
  const text = x.toFixed(places);
  return minus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** @param {string} text */
const minus = (text) => text.replace(/^-/, "−");

/** @param {number} n */
function raised(n) {
  return String(n).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]);
}

/** A short number, for a small tile. @param {number} x */
export function short(x) {
  if (!Number.isFinite(x)) return number(x);
  const size = Math.abs(x);
  if (size !== 0 && (size < 0.005 || size >= 1000)) return minus(x.toExponential(0)).replace("e+", "e").replace("e-", "e−");
  return minus(size >= 100 ? x.toFixed(0) : size >= 10 ? x.toFixed(1) : x.toFixed(2));
}

/** A share as a percentage that never rounds to certainty. @param {number} p */
export function percent(p) {
  if (!Number.isFinite(p)) return "–";
  if (p > 0 && p < 0.0005) return "<\u202f0.1\u202f%";
  if (p < 1 && p > 0.9995) return ">\u202f99.9\u202f%";
  return `${(100 * p).toFixed(1)}\u202f%`;
}

/** The value of a colour of the style sheet. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

let choices = 0;

/** A group of which one is chosen, as radio buttons that look like one bar.
 * @param {string} legend @param {string[]} options @param {number} chosen @param {(place: number) => void} act
 * @param {boolean} [quiet] whether the legend is for screen readers only */
export function choice(legend, options, chosen, act, quiet = false) {
  const name = `choice-${choices++}`;
  const inputs = options.map((_, place) =>
    h("input", { type: "radio", name, value: place, checked: place === chosen, onchange: () => act(place) }));
  const set = h("fieldset", { class: "choice" }, h("legend", { class: quiet ? "unseen" : "" }, legend),
    ...options.map((option, place) => h("label", {}, inputs[place], h("span", {}, option))));
  return { element: set, choose: (/** @type {number} */ place) => (inputs[place].checked = true) };
}
