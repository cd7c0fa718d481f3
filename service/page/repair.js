// Repairing a document: what the codes of its fonts show is written into it, so that its text can be copied.

import { addressed, ask, explained, newest } from "./api.js";
import { byId, download, element, isolated, note, say, tell } from "./dom.js";
import { count, percent } from "./text.js";
import { pictured, tile, tiled } from "./tiles.js";

// What becomes of a code.
const KINDS = {
  repaired: "repaired",
  kept: "as the document says",
  contradicted: "said to be what it does not show",
  unknown: "like nothing known",
};

export class Repair {
  #model;

  /** model: gives the parameters that name the model */
  constructor(model) {
    this.#model = model;
    byId("document").addEventListener("change", event => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.post(file);
    });
  }

  /** Sends a document, whose pictures are believed before what it says where `all`. It takes the place of the one before. */
  post = newest(async (signal, file, all = null) => {
    const line = byId("repair-note"), body = new FormData();
    body.append("document", file);
    tell(line, `Reading ${file.name}…`);
    byId("repaired").replaceChildren();
    byId("drop-document").dataset.busy = "";
    try {
      const path = addressed("/documents/repair", { ...this.#model(), format: "json", pictures: true, all });
      const answer = await (await ask(path, { method: "POST", body, signal })).json();
      signal.throwIfAborted();
      note(line);
      byId("repaired").replaceChildren(card(file.name, answer, all ? null : () => this.post(file, true)));
    } catch (error) {
      if (signal.aborted) throw error;
      tell(line, ...explained(error, "The document did not get through. Choose it again once the server is back."));
    }
    delete byId("drop-document").dataset.busy;
  });
}

/** What the codes of a document's fonts show, and what can be done: to save it, and to believe what contradicts it. */
function card(name, { pages, unread, signed, damaged, fonts, document: whole }, believe) {
  const contradicted = fonts.reduce((total, font) => total + font.contradicted, 0);
  const { summary, choice, frame } = tiled(
    fonts.flatMap(font => font.codes.filter(({ predictions }) => predictions.length).map(code => ofCode(code, font.font))), "code", KINDS, `Codes of ${name}`);
  const pagesRead = unread ? `${count(pages, "page")}, of which ${unread.toLocaleString("en")} cannot be read` : count(pages, "page");
  say(`${name}: ${pagesRead} · ${summary}`);
  const buttons = [choice];
  if (whole) buttons.unshift(button("Save the repaired PDF", "first", () => download(bytesOf(whole), `${name.replace(/\.pdf$/i, "")}-repaired.pdf`)));
  if (contradicted && believe) buttons.push(button("Believe the pictures", "", believe));
  return element("article", { class: "job", "aria-label": name },
    element("header", {}, element("h3", {}, isolated(name)), element("span", { class: "small" }, pagesRead)),
    element("p", { class: "small" }, summary),
    contradicted && believe ? element("p", { class: "small" }, "What a document says is kept, also where it is not what is shown, unless you believe the pictures.") : null,
    damaged ? element("p", { class: "small" }, "It is damaged: more may have been in it than was found.") : null,
    signed && whole ? element("p", { class: "small" }, "It is signed; no signature vouches for what is repaired.") : null,
    ...fonts.filter(({ reason }) => reason).map(({ font, reason }) => element("p", { class: "small" }, isolated(font), ` is left as it is: ${reason}`)),
    element("p", { class: "buttons" }, ...buttons),
    frame);
}

function ofCode(code, font) {
  const { code: number, said, text, picture, predictions: [best] } = code;
  const kind = kindOf(code);
  return tile(kind, pictured(picture), best.name,
    [isolated(font || "a font without a name"), ` · code ${number} · ${percent(best.probability)}`],
    KINDS[kind], " · ", isolated(text || "\ufffd"), said && said !== text ? " · was " : "", said && said !== text ? isolated(said) : "");
}

function kindOf({ said, text, contradicted }) {
  if (!text) return "unknown";
  if (contradicted && said === text) return "contradicted";
  return said === text ? "kept" : "repaired";
}

function button(words, kind, act) {
  const made = element("button", { type: "button", class: kind }, words);
  made.addEventListener("click", act);
  return made;
}

const bytesOf = base64 => new Blob([Uint8Array.from(atob(base64), character => character.charCodeAt(0))], { type: "application/pdf" });
