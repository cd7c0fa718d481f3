// How characters, forms, scripts and numbers are written.

const JOINER = "\u200d";
const FORMS = { isol: "isolated", init: "initial", medi: "medial", fina: "final" };
const NAMES = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(["en"], { type: "script" }) : null;
const OWN_NAMES = { Zyyy: "Digits and signs", Zinh: "Marks" }; // of no script in particular

/** The scripts that people can choose from; a model may know fewer. */
export const SCRIPTS = [
  "Latn", "Arab", "Cyrl", "Grek", "Hebr", "Deva", "Beng", "Telu", "Mlym", "Thai", "Khmr", "Geor", "Armn", "Tfng", "Copt",
  "Zyyy", "Zinh",
];

export const scriptName = code => OWN_NAMES[code] ?? NAMES?.of(code) ?? code;

/** A character as it can be seen: joined as its form asks, marks on a circle, and what has no look left out. */
export function visible({ character, form }) {
  if (/^[\p{Co}\p{Cn}\p{Cc}\p{Cf}\p{Z}]$/u.test(character)) return "";
  if (/^\p{M}$/u.test(character)) return `\u25cc${character}`;
  const before = form === "medi" || form === "fina" ? JOINER : "";
  const behind = form === "medi" || form === "init" ? JOINER : "";
  return before + character + behind;
}

/** What a label such as `1593_init` stands for. */
export function ofLabel(label) {
  const [number, form = null] = label.split("_");
  const codepoint = Number(number);
  return { label, character: String.fromCodePoint(codepoint), codepoint: code(codepoint), form };
}

export const code = codepoint => `U+${codepoint.toString(16).toUpperCase().padStart(4, "0")}`;

export const characterOf = codepoint => String.fromCodePoint(parseInt(codepoint.slice(2), 16));

export const formName = form => (form ? `${FORMS[form] ?? form} form` : "");

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share > 0.999 && share < 1) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** The character that somebody typed: the first one, or that of a code point such as U+0639. */
export function typed(text) {
  const trimmed = text.trim() || text;
  const [, digits] = /^(?:U\+|\\u|0x|&#x)([0-9a-f]{2,6});?$/i.exec(trimmed) ?? [];
  const number = digits ? parseInt(digits, 16) : -1;
  if (number >= 0 && number <= 0x10ffff && !(number >= 0xd800 && number < 0xe000)) return String.fromCodePoint(number);
  return [...trimmed.normalize("NFC")][0] ?? "";
}
