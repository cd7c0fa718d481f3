// The most likely characters, as a list.

import { byId, copier, element, isolated, note, say, tell } from "./dom.js";
import { formName, ofLabel, percent, scriptName, visible } from "./text.js";

const FEW = 5;
export const MOST = 12;

export class Answers {
  #list = byId("answers");
  #more = byId("more");
  #predictions = [];
  #lookAlikes;

  /** lookAlikes: called with a prediction whose look-alikes somebody wants */
  constructor(lookAlikes) {
    this.#lookAlikes = lookAlikes;
    this.#more.addEventListener("click", () => {
      const open = this.#more.getAttribute("aria-expanded") === "true";
      this.#more.setAttribute("aria-expanded", String(!open));
      this.#render();
    });
  }

  /** What is shown is of earlier content, until another answer comes. */
  outdate() {
    byId("findings").ariaBusy = "true";
  }

  show({ known, predictions }) {
    this.#predictions = predictions;
    note(byId("findings-note"), ...(known ? [] : ["It looks like nothing that the model has learned. The nearest:"]));
    this.#render();
    const [best] = predictions;
    say(`${known ? "Most likely" : "Nothing that is known; nearest"}: ${[best.name, formName(best.form)].filter(Boolean).join(", ")}, ${percent(best.probability)}`);
  }

  clear() {
    this.#predictions = [];
    note(byId("findings-note"));
    say("");
    this.#render();
  }

  problem(...content) {
    this.clear();
    tell(byId("findings-note"), ...content);
    byId("glance").textContent = byId("findings-note").textContent;
  }

  #render() {
    byId("findings").ariaBusy = "false";
    const all = this.#predictions, open = this.#more.getAttribute("aria-expanded") === "true";
    this.#more.hidden = all.length <= FEW;
    this.#more.textContent = open ? "Show fewer" : "Show more";
    byId("findings-empty").hidden = all.length > 0 || !byId("findings-note").hidden;
    // On a phone the list is below the pad, and out of sight while one draws.
    byId("glance").replaceChildren(...all.slice(0, FEW).map(one =>
      element("span", {}, isolated(visible(one)), ` ${percent(one.probability)}`)));
    this.#list.replaceChildren(...all.slice(0, open ? MOST : FEW).map(prediction => this.#row(prediction)));
  }

  #row(prediction) {
    const { character, codepoint, name, form, script, probability, equivalents } = prediction;
    const facts = [scriptName(script), formName(form)].filter(Boolean).join(" · ");
    const bar = element("i", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", probability);
    const alike = element("button", { type: "button", class: "plain", "aria-label": `Look-alikes of ${name}` }, "look-alikes");
    alike.addEventListener("click", () => this.#lookAlikes(prediction));
    return element("li", {},
      isolated(visible(prediction), { class: "glyph" }),
      element("div", { class: "what" },
        element("p", { class: "name" }, name),
        element("p", { class: "facts" }, copier(character, `the character ${name}`), copier(codepoint, `the code point ${codepoint}`), facts, alike),
        equivalents.length ? this.#same(equivalents) : null),
      element("p", { class: "share" }, percent(probability)),
      bar);
  }

  #same(labels) {
    const seen = new Map(labels.map(ofLabel).map(label => [label.codepoint + label.form, label]));
    return element("p", { class: "same" }, "drawn alike: ",
      ...[...seen.values()].flatMap(label => [
        element("span", { title: [label.codepoint, formName(label.form)].filter(Boolean).join(", ") },
          isolated(visible(label)), element("span", { class: "unseen" }, ` ${label.codepoint} ${formName(label.form)} `)),
      ]));
  }
}
