// The served models: which one answers, how good it is, and the digest of its bundle.

import { askJson, explained } from "./api.js";
import { byId, copier, element, isolated, note } from "./dom.js";
import { count, percent } from "./text.js";

const SHARES = { top1: "right", top5: "among five", top10: "among ten", equivalent: "right, or drawn alike" };

export class Models {
  #box = byId("bundles");
  #models = [];
  #chosen = "";
  #changed;

  constructor(changed) {
    this.#changed = changed;
  }

  get chosen() { return this.#models.find(model => model.name === this.#chosen) ?? this.#models[0]; }

  /** The parameters that name the model; none for the server's default. */
  parameters = () => (this.#chosen && this.chosen?.name === this.#chosen ? { model: this.#chosen } : {});

  async load() {
    const line = element("p", { class: "note" });
    try {
      this.#models = (await askJson("/models")).models;
    } catch (error) {
      note(line, ...explained(error));
      this.#box.replaceChildren(this.#box.firstElementChild, line);
      return;
    }
    this.#box.replaceChildren(this.#box.firstElementChild, ...this.#models.map((model, number) => this.#card(model, number)));
    this.#changed();
  }

  #card(model, number) {
    const radio = element("input", { type: "radio", name: "model", value: model.name, checked: model === this.chosen });
    radio.addEventListener("change", () => {
      this.#chosen = number ? model.name : "";
      this.#changed();
    });
    const digest = model.digest.replace("sha256:", "");
    return element("div", { class: "bundle" },
      element("label", { class: "choose" }, radio, element("b", {}, isolated(model.name)), ` ${model.version}`,
        element("span", { class: "small" }, number ? "" : " answers unless another is asked for")),
      element("p", { class: "small" }, [count(model.labels, "label"), model.precision,
        model.index ? count(model.references, "reference glyph") : "no look-alikes", model.primitives ? "primitives" : ""].filter(Boolean).join(" · ")),
      quality(model.quality, model.name),
      element("p", { class: "digest small" }, "Digest ", element("code", {}, `${digest.slice(0, 16)}…`), " ", copyWhole(model)));
  }
}

function copyWhole({ name, digest }) {
  const button = copier(digest, `the digest of ${name}`);
  button.textContent = "copy whole";
  return button;
}

/** Figures as the shipped bundles have them, otherwise whatever numbers there are. */
function quality(figures, name) {
  const ways = [["with metrics", figures.with_metrics], ["without metrics", figures.without_metrics]].filter(([, way]) => way?.fonts);
  if (!ways.length) return plain(figures);
  const rows = ways.map(([asked, way]) => element("tr", {}, element("th", { scope: "row" }, asked),
    ...Object.keys(SHARES).map(key => element("td", {}, way.fonts[key] === undefined ? "–" : percent(way.fonts[key])))));
  return element("figure", {},
    element("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": `Quality of ${name}` }, element("table", {},
      element("thead", {}, element("tr", {}, element("td"), ...Object.values(SHARES).map(share => element("th", { scope: "col" }, share)))),
      element("tbody", {}, ...rows))),
    element("figcaption", { class: "small" }, figures.glyphs
      ? `On ${count(figures.glyphs, "glyph")} of ${count(figures.families ?? 0, "font family", "font families")} that it never saw in training`
        + (figures.split === "validation" ? "; it was chosen by them." : ".") : ""));
}

function plain(figures) {
  const numbers = Object.entries(figures).filter(([, value]) => typeof value === "number");
  if (!numbers.length) return element("p", { class: "small" }, "Its quality was not measured.");
  return element("p", { class: "small" }, numbers.map(([name, value]) =>
    `${name.replaceAll("_", " ")} ${value >= 0 && value <= 1 ? percent(value) : value.toLocaleString("en")}`).join(" · "));
}
