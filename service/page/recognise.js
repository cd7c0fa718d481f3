// From the pad to answers: when what is asked, and about what.

import { addressed, askJson, explained, newest, pause } from "./api.js";
import { MOST } from "./answers.js";
import { byId } from "./dom.js";
import { count, formName } from "./text.js";

const WHILE_DRAWING = 100; // milliseconds between two questions about an unfinished stroke
const CALM = 180; // after a stroke, until look-alikes are asked for: another stroke may follow
const CAPTIONS = { strokes: "your drawing", picture: "your picture" };

export class Recognise {
  #parts;
  #waiting = 0; // timer
  #isAsking = false; // about an unfinished stroke, which has grown meanwhile if #hasGrown
  #hasGrown = false;

  /** parts: pad, known, models, answers, alike, primitives */
  constructor(parts) {
    this.#parts = parts;
    // Not while a crop is dragged: on its way it is often empty.
    parts.pad.addEventListener("drawing", () => { if (parts.pad.content.kind === "strokes") this.#soon(); });
    parts.pad.addEventListener("change", () => this.again());
  }

  /** Asks anew about what is on the pad. */
  again() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    this.#hasGrown = false;
    return this.#ask(true);
  }

  /** Asks about what is unfinished, one question at a time: a slow server would never get to answer otherwise. */
  #soon() {
    this.#hasGrown = true;
    if (this.#waiting || this.#isAsking) return;
    this.#waiting = setTimeout(async () => {
      this.#waiting = 0;
      this.#hasGrown = false;
      this.#isAsking = true;
      try {
        await this.#ask(false);
      } finally {
        this.#isAsking = false;
      }
      if (this.#hasGrown) this.#soon();
    }, WHILE_DRAWING);
  }

  #ask = newest(async (signal, isDone) => {
    const { pad, known, models, answers, alike, primitives } = this.#parts;
    const { content } = pad;
    answers.outdate();
    alike.outdate();
    const taken = await pad.taken();
    if (signal.aborted) return;
    if (!taken) {
      answers.clear();
      alike.clear();
      primitives.ask(null);
      return;
    }
    const measured = content.kind === "text" || known.usesLines ? taken.metrics : {};
    try {
      const parameters = { ...models.parameters(), k: MOST, ...known.parameters(measured) };
      const answer = await askJson(addressed("/classify", parameters), { method: "POST", body: taken.picture, signal });
      answers.show(answer);
      if (!isDone) return;
      const metrics = known.metrics(measured);
      primitives.ask({ picture: taken.picture, metrics });
      if (content.kind === "strokes") await pause(CALM, signal);
      if (models.chosen?.index !== false) await alike.ask({ picture: taken.picture, metrics, ...about(content, answer.predictions) });
      else await alike.clear();
    } catch (error) {
      if (signal.aborted) throw error;
      answers.problem(...explained(error));
      await alike.clear();
    }
  });
}

/** What look-alikes are asked for: of a typed character by its label, for fonts draw it in many ways. */
function about(content, [best, ...others]) {
  if (content.kind === "text") {
    const codepoint = content.text.codePointAt(0);
    const own = [best, ...others].find(({ label }) => Number.parseInt(label, 10) === codepoint);
    return named(own ?? { label: String(codepoint), name: content.text, form: null, codepoint: "" });
  }
  return { of: content.of ?? CAPTIONS[content.kind], codepoint: best.codepoint };
}

/** A label's references are what is asked about. */
export const named = ({ label, name, form, codepoint }) => ({ label, codepoint, of: [name, formName(form)].filter(Boolean).join(", ") });

/** Words for people who cannot see what is on the pad. */
export function describe(content) {
  const words = { empty: "empty", strokes: `a drawing of ${count(content.strokes?.length ?? 0, "stroke")}`, text: `the character ${content.text}`,
    picture: content.of ?? "a picture" };
  byId("sheet").setAttribute("aria-label", `Drawing area: ${words[content.kind]}`);
}
