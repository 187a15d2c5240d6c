// A table's row as a form: a field per column, with its usual range or its categories.

import { DAY } from "./decode.mjs";
import { h, measure } from "./dom.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */
/** @typedef {import("./lesson.mjs").Column} Column */

const MANY = 24; // fields, beyond which they scroll by themselves

/** @param {Lesson} lesson @returns {HTMLElement} */
export function form(lesson) {
  const fields = lesson.facts.columns.map((column, place) => {
    const set = (/** @type {number} */ value) => {
      const raw = Float64Array.from(lesson.raw);
      raw[place] = value;
      lesson.look(raw);
    };
    return { category: chosen, date: dated, number: measured }[column.kind](column, set);
  });
  lesson.watch(() => fields.forEach((field, i) => field.show(lesson.raw[i])));
  return h("div", { class: fields.length > MANY ? "form long" : "form" }, ...fields.map((field) => field.element));
}

/** @param {Column} column @param {(code: number) => void} set */
function chosen({ name, values = [], missing }, set) {
  const select = h("select", { onchange: () => set(Number(select.value)) },
    ...values.map((value, code) => h("option", { value: code }, value)),
    missing ? h("option", { value: NaN }, "missing") : null, h("option", { value: -1 }, "something else"));
  return {
    element: h("label", { class: "field" }, h("span", { class: "name" }, name), select),
    show: (/** @type {number} */ code) => (select.value = String(code)),
  };
}

/** @param {Column} column @param {(days: number) => void} set */
function dated({ name, timed, missing, middle = 0 }, set) {
  const field = h("input", { type: timed ? "datetime-local" : "date", onchange: () => field.value && set(field.valueAsNumber / DAY) });
  const gap = h("input", { type: "checkbox", onchange: () => set(gap.checked ? NaN : middle) });
  return {
    element: h("div", { class: "field" }, h("label", { class: "date" }, h("span", { class: "name" }, name), field),
      missing ? h("label", { class: "gap" }, gap, "missing") : null),
    show: (/** @type {number} */ days) => {
      gap.checked = Number.isNaN(days);
      field.disabled = gap.checked;
      if (!gap.checked) field.valueAsNumber = Math.round((days * DAY) / 60_000) * 60_000;
    },
  };
}

/** @param {Column} column @param {(value: number) => void} set */
function measured(column, set) {
  const { name, low = 0, high = 1, missing, whole } = column;
  const span = high - low || Math.abs(high) || 1;
  const unit = whole ? 1 : 10 ** Math.floor(Math.log10(span / 100));
  const box = h("input", { type: "number", step: "any", "aria-label": name, oninput: () => box.value !== "" && set(Number(box.value)) });
  const slider = h("input", {
    type: "range", min: low, max: high === low ? low + span : high, step: unit, "aria-label": `${name}, slider`,
    oninput: () => set(Number(slider.value)),
  });
  const gap = h("input", { type: "checkbox", onchange: () => set(gap.checked ? NaN : Number(slider.value)) });
  return {
    element: h("div", { class: "field" }, h("span", { class: "name" }, name), slider, box,
      h("span", { class: "range" }, `${measure(low, column)} to ${measure(high, column)}`),
      missing ? h("label", { class: "gap" }, gap, "missing") : null),
    show: (/** @type {number} */ value) => {
      gap.checked = Number.isNaN(value);
      box.disabled = slider.disabled = gap.checked;
      if (gap.checked) box.value = "";
      else if (document.activeElement !== box || Number(box.value) !== value) box.value = String(Number(value.toPrecision(7)));
      if (!gap.checked) slider.value = String(value);
    },
  };
}
