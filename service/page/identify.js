// Identifying a font: what each of its glyphs shows, beside what the font maps it to.

import { addressed, ask, explained, newest } from "./api.js";
import { byId, download, element, isolated, note, say, tell } from "./dom.js";
import { characterOf, formName, ofLabel, percent, visible, count } from "./text.js";
import { pictured, tile, tiled } from "./tiles.js";

// What can be said of a glyph; words for it stand on the glyph and, behind a number, for all of them.
const KINDS = {
  same: "as mapped",
  differs: "not as mapped",
  unmapped: "mapped to no character",
  unknown: "like nothing known",
  blank: "with nothing to see",
};
const PRESENTATION = /[\ufb50-\ufdff\ufe70-\ufefc]/u;

export class Identify {
  #model;

  /** model: gives the parameters that name the model */
  constructor(model) {
    this.#model = model;
    byId("font").addEventListener("change", event => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.post(file);
    });
  }

  /** Sends a font. It takes the place of the one before, shown or still at work. */
  post = newest(async (signal, file) => {
    const line = byId("identify-note"), body = new FormData();
    body.append("font", file);
    tell(line, `Identifying ${file.name}…`);
    byId("identified").replaceChildren();
    byId("drop-font").dataset.busy = "";
    try {
      const answer = await (await ask(addressed("/fonts/identify", { ...this.#model(), pictures: true }), { method: "POST", body, signal })).json();
      signal.throwIfAborted();
      note(line);
      byId("identified").replaceChildren(card(file.name, answer));
    } catch (error) {
      if (signal.aborted) throw error;
      tell(line, ...explained(error, "The font did not get through. Choose it again once the server is back."));
    }
    delete byId("drop-font").dataset.busy;
  });
}

/** A font's glyphs, and the answer as a file. */
function card(name, answer) {
  const { faces } = answer;
  const { summary, choice, frame } = tiled(
    faces.flatMap(face => face.glyphs.map(glyph => ofGlyph(glyph, faces.length > 1 ? `face ${face.face}, ` : ""))), "glyph", KINDS, `Glyphs of ${name}`);
  const save = element("button", { type: "button", "aria-label": `Save what was identified in ${name} as JSON` }, "JSON");
  save.addEventListener("click", () => download(new Blob([withoutPictures(answer)], { type: "application/json" }), `${name}.json`));
  say(`${name}: ${summary}`);
  return element("article", { class: "job", "aria-label": name },
    element("header", {}, element("h3", {}, isolated(name)), element("span", { class: "small" }, ...families(faces))),
    element("p", { class: "small" }, summary),
    element("p", { class: "buttons" }, choice, save),
    frame);
}

const withoutPictures = answer => JSON.stringify(answer, (key, value) => (key === "picture" ? undefined : value));

const families = ([{ family, style }, ...others]) =>
  [isolated(`${family} ${style}`), others.length ? ` and ${count(others.length, "other")}` : ""];

function ofGlyph(glyph, where) {
  const { glyph: index, name, mapped, advance, predictions: [best], reason, picture } = glyph;
  const kind = kindOf(glyph);
  const says = mapped.flatMap(codepoint => [` · ${codepoint} `, isolated(visible({ character: characterOf(codepoint), form: null }))]);
  return tile(kind, picture ? pictured(picture) : isolated("", { class: "glyph" }), best && [best.name, formName(best.form)].filter(Boolean).join(", "),
    [...best ? [isolated(visible(best), { class: "shows" }), " · "] : [], `${where}glyph ${index}, `, isolated(name), best ? ` · ${best.label} · ${percent(best.probability)}` : advance === null ? "" : ` · advance ${advance} em`],
    reason || KINDS[kind], ...says);
}

function kindOf({ mapped, known, predictions: [best] }) {
  if (!best) return "blank";
  if (!known) return "unknown";
  if (mapped.map(characterOf).every(character => /\p{Co}/u.test(character))) return "unmapped"; // of private use, or none
  const alike = [best, ...best.equivalents.map(ofLabel)].map(({ character }) => character);
  return mapped.map(characterOf).some(character => alike.includes(character) || alike.includes(letterOf(character))) ? "same" : "differs";
}

/** The letter of a presentation form; labels have the two apart. */
const letterOf = character => (PRESENTATION.test(character) ? character.normalize("NFKC") : character);
