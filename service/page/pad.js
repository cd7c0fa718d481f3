// The pad: what is drawn, typed or dropped on it, with a history that undo goes back through.
//
// Everything lies in a square of side 1, y down. Its lines are those of a font whose em is EM of the side.
// "drawing" is told while a stroke or a crop goes on, "change" when something is done.

import { byId } from "./dom.js";
import { blank, encoded, partOf } from "./picture.js";

const EM = 0.8;
const LINES = [["cap height", 0.16], ["x-height", 0.32], ["baseline", 0.72], ["descender", 0.88]];
const BASELINE = 0.72;
const SENT = 256; // pixels of a drawing that is sent, a good twice those of a raster
const MARGIN = 20;
const NEAR = 0.004; // of the side; points nearer to the last one say nothing
const TYPEFACE = "system-ui, sans-serif";
const MAT = "#8b929c"; // behind pictures: of one that is transparent neither dark nor light ink is lost on it
const EMPTY = { kind: "empty" };

export class Pad extends EventTarget {
  #canvas = byId("sheet");
  #context = this.#canvas.getContext("2d");
  #history = [];
  #content = EMPTY;
  #stroke = null;
  #pointer = null;
  #frame = 0;
  pen = 0.056;

  constructor() {
    super();
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
    this.#canvas.addEventListener("pointerdown", event => this.#begin(event));
    this.#canvas.addEventListener("pointermove", event => this.#go(event));
    for (const kind of ["pointerup", "pointercancel"]) this.#canvas.addEventListener(kind, event => this.#end(event));
  }

  get content() { return this.#content; }
  get canUndo() { return this.#history.length > 0; }

  /** What is on the pad from now on; undo goes back to `from`, or to what was before `instead` where that is on it. */
  put(content, { from = this.#content, instead = null } = {}) {
    if (this.#content !== instead) this.#history.push(from);
    this.#content = content;
    this.#redraw();
    this.#tell("change");
  }

  undo() {
    this.#content = this.#history.pop() ?? EMPTY;
    this.#redraw();
    this.#tell("change");
  }

  clear() { this.put(EMPTY); }

  /** A crop that is being dragged. */
  adjust(crop) {
    this.#content = { ...this.#content, crop };
    this.#tell("drawing");
  }

  /** What is sent: the bytes of a picture, and its metrics in em where they can be told. Null for nothing. */
  async taken() {
    const content = this.#content;
    if (content.kind === "strokes") return { picture: await drawn(content.strokes), metrics: measured(content.strokes) };
    if (content.kind === "text") return written(content.text);
    if (content.kind === "picture") return { picture: await partOf(content), metrics: {} };
    return null;
  }

  redraw() { this.#redraw(); }

  #tell(name) { this.dispatchEvent(new Event(name)); }

  // --- pointers ---

  #begin(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    event.preventDefault();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    const strokes = this.#content.kind === "strokes" ? this.#content.strokes : [];
    this.#stroke = { points: [this.#place(event)], pen: this.pen };
    this.#history.push(this.#content);
    this.#content = { kind: "strokes", strokes: [...strokes, this.#stroke] };
    this.#redraw();
    this.#tell("drawing");
  }

  #go(event) {
    if (event.pointerId !== this.#pointer) return;
    const { points } = this.#stroke;
    const before = points.length;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const passed of all.length ? all : [event]) {
      const [x, y] = this.#place(passed), [lastX, lastY] = points.at(-1);
      if (Math.hypot(x - lastX, y - lastY) >= NEAR) points.push([x, y]);
    }
    if (points.length === before) return;
    this.#redraw();
    this.#tell("drawing");
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = this.#stroke = null;
    this.#tell("change");
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  // --- what is seen ---

  #resize() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (side && side !== this.#canvas.width) this.#canvas.width = this.#canvas.height = side;
    this.#redraw();
  }

  #redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint() {
    const context = this.#context, side = this.#canvas.width;
    const colours = getComputedStyle(this.#canvas);
    context.clearRect(0, 0, side, side);
    if (this.#content.kind === "picture") return this.#paintPicture(context, side);
    rule(context, side, colours.getPropertyValue("--rule"), "lines" in this.#canvas.dataset);
    context.fillStyle = context.strokeStyle = colours.getPropertyValue("--ink");
    if (this.#content.kind === "strokes") draw(context, this.#content.strokes, side, 0, 0);
    if (this.#content.kind === "text") write(context, this.#content.text, EM * side, BASELINE * side, side);
  }

  #paintPicture(context, side) {
    const { bitmap } = this.#content;
    if (!bitmap) return;
    const { left, top, width, height } = frameOf(bitmap);
    context.fillStyle = MAT;
    context.fillRect(left * side, top * side, width * side, height * side);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, left * side, top * side, width * side, height * side);
  }
}

/** Where a picture lies on the pad, whole and in the middle. */
export function frameOf({ width, height }) {
  const longer = Math.max(width, height);
  const [w, h] = [width / longer, height / longer];
  return { left: (1 - w) / 2, top: (1 - h) / 2, width: w, height: h };
}

function rule(context, side, colour, named) {
  context.save();
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = Math.max(1, side / 500);
  context.font = `${side / 36}px system-ui, sans-serif`;
  for (const [name, height] of LINES) {
    const y = Math.round(height * side) + 0.5;
    context.setLineDash(name === "baseline" ? [] : [side / 80, side / 80]);
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(side, y);
    context.stroke();
    if (named) context.fillText(name, side / 60, y - side / 90);
  }
  context.restore();
}

/** Strokes as a pen leaves them: round, and smooth through the middles between points. */
function draw(context, strokes, scale, left, top) {
  context.lineCap = context.lineJoin = "round";
  for (const { points, pen } of strokes) {
    const places = points.map(([x, y]) => [(x - left) * scale, (y - top) * scale]);
    context.lineWidth = pen * scale;
    context.beginPath();
    context.moveTo(...places[0]);
    for (let i = 1; i < places.length - 1; i += 1) {
      const [x, y] = places[i], [nextX, nextY] = places[i + 1];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    const [lastX, lastY] = places.at(-1);
    context.lineTo(lastX + (places.length === 1 ? 0.01 : 0), lastY); // a line of no length would leave no dot
    context.stroke();
  }
}

/** A character with its ink in the middle across, smaller where it would not fit. Gives its metrics in em. */
function write(context, text, em, baseline, side) {
  context.font = `${em}px ${TYPEFACE}`;
  const { width, actualBoundingBoxLeft: left, actualBoundingBoxRight: right, actualBoundingBoxAscent: ascent,
    actualBoundingBoxDescent: descent } = context.measureText(text);
  const room = side * (1 - 2 * MARGIN / SENT);
  const scale = 1 / Math.max(1, (left + right) / room, ascent / baseline, descent / (side - baseline));
  context.font = `${scale * em}px ${TYPEFACE}`;
  context.fillText(text, side / 2 + scale * (left - right) / 2, baseline);
  return { width: (left + right) / em, height: (ascent + descent) / em, bottom: -descent / em, advance: width / em };
}

function extent(strokes) {
  let [left, top, right, bottom] = [1, 1, 0, 0];
  for (const { points, pen } of strokes) {
    for (const [x, y] of points) {
      left = Math.min(left, x - pen / 2);
      right = Math.max(right, x + pen / 2);
      top = Math.min(top, y - pen / 2);
      bottom = Math.max(bottom, y + pen / 2);
    }
  }
  return { left, top, width: right - left, height: bottom - top };
}

/** A drawing in black on white, as large as it is sent, wherever and however small it lies on the pad. */
function drawn(strokes) {
  const { left, top, width, height } = extent(strokes);
  const scale = (SENT - 2 * MARGIN) / Math.max(width, height);
  const { canvas, context } = onWhite();
  draw(context, strokes, scale, left + width / 2 - SENT / 2 / scale, top + height / 2 - SENT / 2 / scale);
  return encoded(canvas);
}

/** A character in this device's font, whose metrics are known. */
async function written(text) {
  const { canvas, context } = onWhite();
  const metrics = write(context, text, SENT / 2, 0.65 * SENT, SENT);
  return { picture: await encoded(canvas), metrics };
}

function onWhite() {
  const made = blank(SENT, SENT);
  made.context.fillStyle = "#fff";
  made.context.fillRect(0, 0, SENT, SENT);
  made.context.fillStyle = made.context.strokeStyle = "#000";
  return made;
}

/** Where a drawing stands between the lines; its advance width is anybody's guess. */
function measured(strokes) {
  const { top, width, height } = extent(strokes);
  return { width: width / EM, height: height / EM, bottom: (BASELINE - top - height) / EM };
}
