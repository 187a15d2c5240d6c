// Ask it: give the network something of one's own or a test sample, and see its answers move.

import { form } from "./form.mjs";
import { h, measure, percent, targetText } from "./dom.mjs";
import { bar } from "./panels.mjs";
import { DAY } from "./decode.mjs";
import { isPlane, kindOf, plane } from "./plane.mjs";
import { matrix } from "./matrix.mjs";
import { pad } from "./pad.mjs";
import { picture } from "./tiles.mjs";

/** @typedef {import("./lesson.mjs").Lesson} Lesson */

const SHOWN = 12; // classes with a bar; of more, the likeliest

/** @param {Lesson} lesson @param {HTMLElement} place */
export function askSection(lesson, place) {
  const { image } = lesson.facts;
  const input = image ? pad(lesson) : isPlane(lesson) ? h("div", {}, plane(lesson), form(lesson)) : form(lesson);
  const output = h("div", { class: "answers", id: "answers" });
  lesson.watch(() => output.replaceChildren(...answers(lesson)));
  place.append(h("div", { class: "asking" }, input, output));
  if (lesson.samples.length) place.append(samples(lesson));
}

/** The answers as bars, or a regression's value. @param {Lesson} lesson @returns {Node[]} */
function answers(lesson) {
  const { facts } = lesson;
  if (facts.target) {
    const value = lesson.value();
    const share = Math.max(Math.min(lesson.answer.data[0] / 3, 1), -1);
    return [h("p", { class: "said" }, facts.target.name, " ", h("strong", {}, targetText(value, facts.target))),
      h("div", { class: "value" }, bar(share)),
      h("p", { class: "note" }, `The bar is in standard deviations from the mean of the training rows, ${targetText(facts.target.shift, facts.target)}.`)];
  }
  const probs = lesson.answer.data;
  const { best } = lesson;
  const shown = [...probs.keys()].sort((a, b) => probs[b] - probs[a]).slice(0, SHOWN).sort((a, b) => a - b);
  const coloured = isPlane(lesson); // as its regions are
  const rows = shown.map((k) => {
    const share = bar(probs[k]);
    if (coloured) share.style.background = `rgb(var(--${kindOf(k)}))`;
    return h("li", { class: k === best ? "best" : "" }, h("span", { class: "class" }, facts.classes[k]), share, h("span", { class: "share" }, percent(probs[k])));
  });
  const right = lesson.assumed ? "" : lesson.label === best ? " It is right." : ` It should be ${lesson.named(lesson.label)}.`;
  return [
    h("p", { class: "said" }, "It says ", h("strong", {}, facts.classes[best]), ` (${percent(probs[best])}).${right}`),
    h("ul", { class: "bars" }, ...rows),
    shown.length < probs.length ? h("p", { class: "note" }, `The ${shown.length} likeliest of ${probs.length} classes.`) : h("span"),
  ];
}

/** The embedded samples as buttons, each with what the network says of it now. @param {Lesson} lesson */
function samples(lesson) {
  const { facts } = lesson;
  const verdicts = lesson.samples.map(() => h("span", { class: "verdict" }));
  const buttons = lesson.samples.map((one, place) => h("button", { type: "button", class: "sample", onclick: () => lesson.choose(place) },
    shownSample(lesson, one), verdicts[place]));
  lesson.watch(() => {
    const { said } = lesson.everyone();
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(lesson.sample === i));
      const { label } = lesson.samples[i];
      if (facts.target) {
        verdicts[i].textContent = `${targetText(label, facts.target, 3)}, said ${targetText(said[i], facts.target, 3)}`;
        return;
      }
      button.classList.toggle("wrong", said[i] !== label);
      verdicts[i].textContent = said[i] === label ? facts.classes[label] : `${facts.classes[label]}, said ${facts.classes[said[i]]}`;
    });
  });
  const wrong = facts.target ? "" : " Those that it gets wrong are marked.";
  return h("div", { class: "samples" }, h("h3", {}, `Or take one of ${lesson.samples.length} ${facts.figures?.split ?? "test"} rows`),
    h("p", { class: "note" }, `It has ${facts.figures?.split === "train" ? "been trained on these" : "never been trained on these"}.${wrong}`),
    h("div", { class: "row" }, ...buttons));
}

/** What it is asked about, if that is an image. @param {Lesson} lesson @param {Float64Array} values @param {{row: number, file?: string}} [sample] */
export function shownImage(lesson, values, sample) {
  const { image } = lesson.facts;
  if (!image) return h("span");
  const name = sample ? `sample ${sample.row}${sample.file ? ` of ${sample.file}` : ""}` : "what it is asked about";
  return picture(matrix(image.height, image.width, values), name, "ink", image.fullScale ?? undefined);
}

/** A sample as it is shown on its button. @param {Lesson} lesson @param {Lesson["samples"][number]} one */
function shownSample(lesson, one) {
  const { image, columns } = lesson.facts;
  if (image) return shownImage(lesson, one.values, one);
  const values = columns.slice(0, 3).map((column, i) => {
    const value = one.values[i];
    if (Number.isNaN(value)) return "–";
    if (column.kind === "category") return column.values?.[value] ?? "?";
    return column.kind === "date" ? new Date(value * DAY).toISOString().slice(0, 10) : measure(value, column);
  });
  return h("span", { class: `values ${lesson.regression ? "" : kindOf(one.label)}` }, values.join(" · ") + (columns.length > 3 ? " …" : ""));
}
