// What is known of a glyph beforehand: which characters it can be, which are likely, its metrics.

import { byId, element } from "./dom.js";
import { SCRIPTS, scriptName } from "./text.js";

const between = (first, last) => Array.from({ length: last.charCodeAt() - first.charCodeAt() + 1 },
  (_, number) => String.fromCharCode(first.charCodeAt() + number)).join("");
const ALPHANUMERIC = between("0", "9") + between("A", "Z") + between("a", "z");
const ASCII = between("!", "~");
const METRICS = ["width", "height", "bottom", "advance"];

export class Known {
  #form = byId("known");

  constructor(changed) {
    this.#form.elements.possible.append(
      element("option", { value: "" }, "any character"),
      element("option", { value: `charset:${ALPHANUMERIC}` }, "A–Z, a–z, 0–9"),
      element("option", { value: `charset:${ASCII}` }, "what an English keyboard has"),
      element("optgroup", { label: "A script" },
        ...SCRIPTS.map(script => element("option", { value: `scripts:${script}` }, scriptName(script)))),
    );
    this.#form.addEventListener("submit", event => event.preventDefault());
    this.#form.addEventListener("input", () => { if (this.#form.checkValidity()) changed(); });
  }

  get usesLines() { return this.#form.elements.lines.checked; }

  /** The parameters of /classify. Metrics that are typed in win over those `measured`. */
  parameters(measured) {
    const { possible, prior } = this.#form.elements;
    const [name, value] = possible.value ? possible.value.split(/:(.*)/s) : ["charset", ""];
    return { [name]: value, prior: prior.value === "fonts" ? "" : prior.value, ...this.metrics(measured) };
  }

  metrics(measured) {
    return Object.fromEntries(METRICS.map(name => [name, this.#form.elements[name].value || rounded(measured[name])]));
  }
}

const rounded = value => (value === undefined ? "" : String(Math.round(1000 * value) / 1000));
