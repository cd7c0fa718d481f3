// Glyphs as tiles, by the hundred: each with what can be said of it, and a choice of which are shown.

import { element, isolated } from "./dom.js";
import { count } from "./text.js";

/** A tile. `look` shows the glyph, `kind` is one of those that `tiled` knows; then a name, and small lines. */
export const tile = (kind, look, name, small, ...says) => element("li", { "data-kind": kind }, look,
  element("div", {}, name ? element("p", { class: "name" }, name) : null,
    element("p", { class: "small" }, ...small), element("p", { class: "small says" }, ...says)));

/** What a glyph looks like, from a PNG in base64. */
export const pictured = png => element("img", { class: "glyph", alt: "", width: 64, height: 64, src: `data:image/png;base64,${png}` });

/** Tiles in a frame of their own, for they can be thousands; a choice of kinds, which hides the others; and how many
 *  there are of each. kinds: words for each, by its name */
export function tiled(tiles, noun, kinds, label) {
  const all = count(tiles.length, noun);
  const counts = Object.keys(kinds).map(kind => [kind, tiles.filter(({ dataset }) => dataset.kind === kind).length]).filter(([, number]) => number)
    .map(([kind, number]) => [kind, `${number.toLocaleString("en")} ${kinds[kind]}`]);
  const select = element("select", {}, ...[["", all], ...counts].map(([value, words]) => element("option", { value }, words)));
  select.addEventListener("input", () => {
    for (const one of tiles) one.hidden = select.value !== "" && one.dataset.kind !== select.value;
  });
  return {
    summary: [all, ...counts.map(([, words]) => words)].join(" · "),
    choice: element("label", { class: "tick" }, "Show ", select),
    frame: element("div", { class: "frame", tabIndex: 0, role: "region", "aria-label": label }, element("ul", { class: "tiles" }, ...tiles)),
  };
}
