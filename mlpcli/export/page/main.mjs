// The page: its head, its seven parts, and beside them what is looked at now.

import { askSection, shownImage } from "./ask.mjs";
import { backwardLines, forwardLines } from "./derivation.mjs";
import { Check } from "./check.mjs";
import { byId, button, h, math, number, percent, prose, targetText } from "./dom.mjs";
import { Fit } from "./fit.mjs";
import { Lesson } from "./lesson.mjs";
import { Steps, batchChoice } from "./steps.mjs";
import { trainingSection } from "./training.mjs";
import { Walk } from "./walk.mjs";

/** @param {Lesson} lesson */
function head({ facts }) {
  const { sizes } = facts.network;
  byId("about").append(h("strong", {}, facts.name), `: ${sizes.join("–")}, ${sizes.length > 2 ? facts.network.activation : "no hidden layer"}, ${facts.network.loss}, trained on ${facts.source}. `, told(facts));
  const { dtype } = facts.network.params.W1;
  if (dtype === "float16") byId("made").append(h("p", {}, "To keep this file small, its weights are rounded to half precision, about three digits."));
  byId("made").append(`Made by ${facts.made}. These commands make the same again:`, h("pre", {}, facts.commands.join("\n")));
}

/** Where the inputs come from that are no columns. @param {Lesson} lesson */
function waves({ facts: { encoding, network } }) {
  const count = encoding.blocks.filter(({ of }) => of === "wave").length;
  if (count) {
    byId("waves").append(prose(`Of each number x, ${encoding.blocks[0].values.length} waves come in beside it: sums of cosines, cos(2πxw + b)·V + c. ` +
      `So X has ${network.sizes[0]} inputs. Training learned w, b, V and c, too; here they stay as they are.`));
  }
}

/** @param {import("./lesson.mjs").Facts} facts */
function told({ figures }) {
  if (!figures) return "";
  const rows = `${figures.samples.toLocaleString("en")} ${figures.split} rows`;
  return figures.accuracy === undefined
    ? `Root mean squared error ${number(Number(figures.rmse))} on ${rows}.`
    : `It is right on ${percent(figures.accuracy)} of ${rows}.`;
}

/** The right answer, to be chosen. @param {Lesson} lesson */
function labelChoice(lesson) {
  const { facts } = lesson;
  if (facts.target) {
    const field = h("input", { type: "number", step: "any", onchange: () => lesson.teach(Number(field.value)) });
    lesson.watch(() => (field.value = String(Number(Number(lesson.label).toPrecision(6)))));
    return h("label", {}, `The right ${facts.target.name} `, field);
  }
  const select = h("select", { onchange: () => lesson.teach(Number(select.value)) },
    ...facts.classes.map((name, k) => h("option", { value: k }, name)));
  lesson.watch(() => (select.value = String(lesson.label)));
  return h("label", {}, "The right label ", select);
}

/** What is looked at, and what the network makes of it: always in sight. @param {Lesson} lesson @param {HTMLElement} place */
function now(lesson, place) {
  const reset = button("Reset", () => lesson.reset());
  const shown = h("div", { class: "shown" });
  place.append(shown, reset);
  lesson.watch(() => {
    const { facts } = lesson;
    const { best } = lesson;
    const said = facts.target ? targetText(lesson.value(), facts.target) : facts.classes[best];
    const right = facts.target ? targetText(lesson.label, facts.target) : lesson.named(lesson.label);
    const line = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ kind = "") => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
    const thumb = shownImage(lesson, Float64Array.from(lesson.raw), lesson.samples[lesson.sample]);
    reset.hidden = !lesson.steps;
    shown.replaceChildren(thumb, h("dl", {},
      line("says", facts.target ? said : `${said}, ${percent(lesson.answer.data[best])}`, facts.target || lesson.assumed ? "" : best === lesson.label ? "right" : "wrong"),
      line(lesson.assumed ? "taken for right" : "right is", right),
      line(lesson.X.rows > 1 ? `loss of ${lesson.X.rows}` : "loss", number(lesson.loss), "loss"),
      line("weights", lesson.steps ? `${lesson.steps} step${lesson.steps > 1 ? "s" : ""} on` : "as trained")));
  });
}

function start() {
  const lesson = new Lesson(JSON.parse(byId("facts").textContent ?? ""));
  head(lesson);
  waves(lesson);
  askSection(lesson, byId("ask-it"));
  if (lesson.samples.length > 1) ["batch", "step-batch"].forEach((id) => byId(id).append(batchChoice(lesson)));
  byId("right").append(labelChoice(lesson));
  new Walk(lesson, byId("forward-lines"), forwardLines(lesson.net), "forward");
  new Walk(lesson, byId("backward-lines"), backwardLines(lesson.net), "backward");
  new Fit(lesson, byId("fitting"));
  new Check(lesson, byId("checking"));
  new Steps(lesson, byId("stepping"));
  trainingSection(lesson, byId("trained"));
  now(lesson, byId("now"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => lesson.tell());
  for (const place of document.querySelectorAll("[data-math]")) place.replaceWith(math(place.textContent ?? ""));
}

start();
