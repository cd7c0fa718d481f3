// Look-alikes: the nearest references as pictures, from which one can go on.

import { Problem, addressed, ask, askJson, explained, newest, pictureAddress } from "./api.js";
import { byId, element, isolated, note } from "./dom.js";
import { SCRIPTS, count, formName, scriptName, visible } from "./text.js";

const SHOWN = 27; // whole rows on a wide screen and on a phone
const ASKED_FOR_OTHERS = 100; // as many labels as a server gives at once unless told otherwise

export class Alike {
  #form = byId("filters");
  #list = byId("references");
  #model;
  #goOn;
  #question = null;
  #addresses = [];

  /** model: gives the parameters that name the model; goOn: called with a reference and the path of its picture */
  constructor(model, goOn) {
    this.#model = model;
    this.#goOn = goOn;
    this.#form.elements.script.append(element("option", { value: "" }, "all"),
      ...SCRIPTS.map(script => element("option", { value: script }, scriptName(script))));
    this.#form.addEventListener("submit", event => event.preventDefault());
    this.#form.addEventListener("input", () => this.again());
  }

  /** question: {label, of} or {picture, metrics, of}, or both, where the label counts if references have it; `of`
   * says in words what is asked about, `codepoint` which character that is taken for.
   */
  ask(question) {
    this.#question = question;
    return this.again();
  }

  /** What is shown is of an earlier question, until the next is answered. */
  outdate() {
    this.#list.ariaBusy = "true";
  }

  clear() {
    this.#question = null;
    return this.again();
  }

  again = newest(async signal => {
    const question = this.#question;
    this.outdate();
    if (!question) return this.#show([], "");
    try {
      const { neighbours } = await this.#find(question, signal);
      await this.#show(this.#chosen(neighbours, question), question.of, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      await this.#show([], ""); // which takes back what was noted, before this is
      note(byId("alike-note"), ...explained(error));
    }
  });

  get #others() { return this.#form.elements.others.checked; }

  async #find({ label, picture, metrics }, signal) {
    const parameters = { ...this.#model(), k: this.#others ? ASKED_FOR_OTHERS : SHOWN,
      scripts: this.#form.elements.script.value, ...(this.#others ? { exclude_same: true, distinct: true } : {}) };
    if (label) {
      try {
        return await askJson(addressed(`/similar/${encodeURIComponent(label)}`, parameters), { signal });
      } catch (error) {
        if (!(picture && error instanceof Problem && error.name === "unknown-label")) throw error;
      }
    }
    return askJson(addressed("/similar", { ...parameters, ...metrics }), { method: "POST", body: picture, signal });
  }

  /** All of them; or of other characters the nearest of each, whatever its form: only the characters matter. */
  #chosen(neighbours, { codepoint }) {
    if (!this.#others) return neighbours;
    const nearest = new Map();
    for (const neighbour of neighbours) {
      if (neighbour.codepoint !== codepoint && !nearest.has(neighbour.codepoint)) nearest.set(neighbour.codepoint, neighbour);
    }
    return [...nearest.values()].slice(0, SHOWN);
  }

  async #show(neighbours, of, signal) {
    const addresses = await Promise.all(neighbours.map(({ raster }) => pictureAddress(addressed(raster, this.#model()), signal)));
    this.#addresses.filter(address => address.startsWith("blob:")).forEach(address => URL.revokeObjectURL(address));
    this.#addresses = addresses;
    this.#list.ariaBusy = "false";
    note(byId("alike-note"), ...(of && !neighbours.length ? ["No reference is left. Allow more scripts, or the same character."] : []));
    byId("alike-empty").hidden = of !== "";
    byId("alike-of").textContent = of && neighbours.length
      ? `${this.#others ? count(neighbours.length, "other character") : count(neighbours.length, "reference")} nearest to ${of}` : "";
    this.#list.replaceChildren(...neighbours.map((neighbour, number) => this.#tile(neighbour, addresses[number])));
  }

  #tile(neighbour, address) {
    const { name, form, codepoint, family, style, similarity } = neighbour;
    const path = addressed(neighbour.raster, this.#model()); // an address that is a blob may be shown, not fetched
    const what = [name, formName(form), `${family} ${style}`].filter(Boolean).join(", ");
    const picture = element("img", { src: address, alt: "", width: 48, height: 48, decoding: "async" });
    // A busy server refuses pictures too; `ask` has the patience that an <img> has not.
    picture.addEventListener("error", () => again(picture, path), { once: true });
    const button = element("button", { type: "button", title: what, "aria-label": `${what}, similarity ${similarity.toFixed(2)}: go on from it` },
      picture,
      element("span", { class: "of" }, isolated(visible(neighbour)), ` ${codepoint}`),
      element("span", { class: "family" }, isolated(family)),
      element("span", { class: "style" }, isolated(style), element("b", {}, similarity.toFixed(2))));
    button.addEventListener("click", () => this.#goOn(neighbour, path));
    return element("li", {}, button);
  }
}

async function again(picture, path) {
  try {
    picture.src = URL.createObjectURL(await (await ask(path)).blob());
  } catch (error) {
    explained(error); // a tile that says what it is can do without
  }
}
