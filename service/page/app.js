// The page: its parts, put together.

import { Alike } from "./alike.js";
import { Answers } from "./answers.js";
import { ask, explained, hasKey, hasNewKey, service } from "./api.js";
import { Crop } from "./crop.js";
import { byId, download, note, tell } from "./dom.js";
import { Identify } from "./identify.js";
import { Known } from "./known.js";
import { Models } from "./models.js";
import { Pad } from "./pad.js";
import { readPicture } from "./picture.js";
import { Primitives } from "./primitives.js";
import { Recognise, describe, named } from "./recognise.js";
import { Repair } from "./repair.js";
import { Score } from "./score.js";
import { typed } from "./text.js";

const FONT = /\.(ttf|otf|ttc|otc|woff2?|pfb|t1|cff)$/i;
const DOCUMENT = /\.pdf$/i;
const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

const pad = new Pad();
new Crop(pad);
const models = new Models(() => {
  primitives.offered = Boolean(models.chosen?.primitives);
  if (pad.content.kind !== "empty") recognise.again();
});
const primitives = new Primitives(models.parameters);
const alike = new Alike(models.parameters, goOn);
const answers = new Answers(prediction => {
  alike.ask(named(prediction));
  byId("alike").focus();
});
const known = new Known(() => {
  byId("sheet").toggleAttribute("data-lines", known.usesLines);
  pad.redraw();
  recognise.again();
});
const recognise = new Recognise({ pad, known, models, answers, alike, primitives });
const identify = new Identify(models.parameters);
const repair = new Repair(models.parameters);
const score = new Score(models.parameters);

// --- the pad's tools ---

pad.addEventListener("change", showState);
pad.addEventListener("drawing", showState);

function showState() {
  const { content } = pad;
  byId("hint").hidden = content.kind !== "empty";
  byId("undo").disabled = !pad.canUndo;
  byId("clear").disabled = content.kind === "empty";
  if (content.kind !== "text" && document.activeElement !== byId("type")) byId("type").value = "";
  describe(content);
}

byId("undo").addEventListener("click", () => pad.undo());
byId("clear").addEventListener("click", () => pad.clear());
for (const pen of document.getElementsByName("pen")) pen.addEventListener("change", () => { pad.pen = Number(pen.value); });

let typing = null; // what this field has put on the pad since it was entered or emptied: one step for undo
byId("type").addEventListener("input", event => {
  const text = typed(event.target.value); // a composition, too: some keyboards of phones never end theirs
  if (text) pad.put({ kind: "text", text }, { instead: typing });
  typing = text ? pad.content : null;
});
byId("type").addEventListener("focus", event => {
  typing = null;
  event.target.select();
});

byId("choose").addEventListener("change", event => {
  take([...event.target.files], event.target);
  event.target.value = "";
});

// --- what comes from elsewhere ---

const isFolder = item => Boolean(item.webkitGetAsEntry?.()?.isDirectory);

/** A font is identified; several, archives and what is given where fonts are scored are scored. Of documents the first
 *  is repaired, of pictures the first recognised. */
async function take(files, place) {
  const fonts = files.filter(({ name }) => FONT.test(name) || ARCHIVE.test(name));
  if (fonts.length) {
    const isOne = fonts.length === 1 && FONT.test(fonts[0].name) && !byId("score").contains(place);
    byId(isOne ? "identify" : "score").scrollIntoView();
    return isOne ? identify.post(fonts[0]) : score.post(fonts);
  }
  const [document] = files.filter(({ name }) => DOCUMENT.test(name));
  if (document) {
    byId("repair").scrollIntoView();
    return repair.post(document);
  }
  if (!files.length) return;
  byId("pad").scrollIntoView({ block: "nearest" }); // wherever it was dropped: what comes of it is seen there
  try {
    pad.put(await readPicture(files[0]));
  } catch (error) {
    answers.problem(error.message);
  }
}

/** A reference takes its place on the pad; undo brings back what was there. */
async function goOn(neighbour, path) {
  const { of } = named(neighbour);
  try {
    const file = await (await ask(path)).blob();
    pad.put({ ...await readPicture(file), of: `${of}, of ${neighbour.family} ${neighbour.style}` });
    byId("recognise").focus();
  } catch (error) {
    note(byId("alike-note"), ...explained(error));
  }
}

document.addEventListener("paste", event => {
  const inField = event.target.matches?.("input:not([type=radio], [type=checkbox], [type=file])");
  const files = [...event.clipboardData.files];
  if (inField && !files.length) return;
  event.preventDefault();
  if (files.length) take(files, event.target);
  else {
    const text = typed(event.clipboardData.getData("text"));
    if (text) pad.put({ kind: "text", text });
  }
});

let depth = 0; // of elements that a drag has entered and not left
const dragging = by => { depth = Math.max(0, depth + by); document.body.toggleAttribute("data-drop", depth > 0); };
document.addEventListener("dragenter", () => dragging(1));
document.addEventListener("dragleave", () => dragging(-1));
document.addEventListener("dragover", event => event.preventDefault());
document.addEventListener("drop", event => {
  event.preventDefault();
  dragging(-depth);
  const { files, items } = event.dataTransfer;
  if (![...items].some(isFolder)) return take([...files], event.target);
  byId("pad").scrollIntoView({ block: "nearest" });
  answers.problem("A folder cannot be taken. Drop the files that are in it, or an archive of them.");
});

// --- the server ---

const notice = byId("notice");
let isAway = false;
service.addEventListener("away", () => {
  isAway = true;
  note(notice, "The server cannot be reached. This page goes on by itself as soon as it is back.");
});
service.addEventListener("busy", ({ detail }) => {
  if (!isAway) note(notice, `The server is busy. Trying again in ${detail} s.`);
});
service.addEventListener("idle", () => { if (!isAway) note(notice); });
service.addEventListener("back", () => {
  isAway = false;
  note(notice);
  start();
});

// Its description loads more than a link can send a key with.
byId("programs").addEventListener("click", async event => {
  if (byId("change-key").hidden) return;
  event.preventDefault();
  const line = byId("programs-note");
  try {
    download(await (await ask("/openapi.json")).blob(), "glyphery-openapi.json");
    tell(line, "The description for programs is saved as glyphery-openapi.json. They send the key as X-API-Key.");
  } catch (error) {
    tell(line, ...explained(error));
  }
});

byId("change-key").addEventListener("click", async () => { if (await hasNewKey()) start(); });
byId("change-key").hidden = !hasKey();

async function start() {
  await models.load();
  if (models.chosen) await score.load();
}

showState();
start();
