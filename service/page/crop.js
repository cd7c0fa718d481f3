// The crop of a picture on the pad: a pointer drags a rectangle, an edge or a corner; arrow keys move edges.

import { byId } from "./dom.js";
import { frameOf } from "./pad.js";
import { isWhole } from "./picture.js";

const EDGES = ["left", "top", "right", "bottom"];
const OPPOSITE = { left: "right", right: "left", top: "bottom", bottom: "top" };
const LEAST = 0.03; // of the picture
const GRASP = 18; // pixels from an edge within which it is taken hold of
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export class Crop {
  #pad;
  #overlay = byId("crop");
  #box = this.#overlay.firstElementChild;
  #drag = null;

  constructor(pad) {
    this.#pad = pad;
    this.#overlay.addEventListener("pointerdown", event => this.#begin(event));
    this.#overlay.addEventListener("pointermove", event => this.#go(event));
    for (const kind of ["pointerup", "pointercancel"]) this.#overlay.addEventListener(kind, event => this.#end(event));
    this.#overlay.addEventListener("keydown", event => this.#key(event));
    for (const kind of ["change", "drawing"]) pad.addEventListener(kind, () => this.#show());
  }

  get #content() { return this.#pad.content; }

  #show() {
    const { kind, bitmap, crop } = this.#content;
    this.#overlay.hidden = !(kind === "picture" && bitmap);
    if (this.#overlay.hidden) return;
    const frame = frameOf(bitmap);
    const place = { left: frame.left + crop.left * frame.width, top: frame.top + crop.top * frame.height,
      width: (crop.right - crop.left) * frame.width, height: (crop.bottom - crop.top) * frame.height };
    for (const [name, share] of Object.entries(place)) this.#box.style[name] = `${100 * share}%`;
    for (const handle of this.#box.children) {
      const share = Math.round(100 * crop[handle.dataset.edge]);
      handle.setAttribute("aria-valuenow", share);
      handle.setAttribute("aria-valuetext", `${share} %`);
    }
  }

  /** A place in the picture, from 0 to 1 within it. */
  #place(event) {
    const box = this.#overlay.getBoundingClientRect(), frame = frameOf(this.#content.bitmap);
    const x = ((event.clientX - box.left) / box.width - frame.left) / frame.width;
    const y = ((event.clientY - box.top) / box.height - frame.top) / frame.height;
    return [x, y].map(share => Math.min(1, Math.max(0, share)));
  }

  #begin(event) {
    if (event.button !== 0 || this.#drag) return;
    event.preventDefault();
    this.#overlay.setPointerCapture(event.pointerId);
    const [x, y] = this.#place(event), { crop } = this.#content;
    const box = this.#box.getBoundingClientRect();
    const held = EDGES.filter(edge => {
      const across = edge === "left" || edge === "right";
      const beside = across ? event.clientY >= box.top - GRASP && event.clientY <= box.bottom + GRASP
        : event.clientX >= box.left - GRASP && event.clientX <= box.right + GRASP;
      return beside && Math.abs((across ? event.clientX : event.clientY) - box[edge]) <= GRASP;
    });
    // From within, the rectangle is moved; a drag elsewhere begins a new one.
    const within = x > crop.left && x < crop.right && y > crop.top && y < crop.bottom && !isWhole(crop);
    this.#drag = { pointer: event.pointerId, x, y, held, within, before: crop };
  }

  #go(event) {
    if (event.pointerId !== this.#drag?.pointer) return;
    const [x, y] = this.#place(event), { held, within, before } = this.#drag;
    if (held.length) {
      const crop = { ...before };
      for (const edge of held) moved(crop, edge, edge === "left" || edge === "right" ? x : y);
      this.#pad.adjust(crop);
    } else if (within) {
      const byX = Math.max(-before.left, Math.min(1 - before.right, x - this.#drag.x));
      const byY = Math.max(-before.top, Math.min(1 - before.bottom, y - this.#drag.y));
      this.#pad.adjust({ left: before.left + byX, top: before.top + byY, right: before.right + byX, bottom: before.bottom + byY });
    } else if (Math.abs(x - this.#drag.x) > LEAST && Math.abs(y - this.#drag.y) > LEAST) {
      this.#pad.adjust({ left: Math.min(x, this.#drag.x), top: Math.min(y, this.#drag.y),
        right: Math.max(x, this.#drag.x), bottom: Math.max(y, this.#drag.y) });
    }
  }

  #end(event) {
    if (event.pointerId !== this.#drag?.pointer) return;
    const { before } = this.#drag, after = this.#content;
    this.#drag = null;
    if (after.crop !== before) this.#finish(before, after);
  }

  #key(event) {
    const { edge } = event.target.dataset;
    if (!edge || !(event.key in STEPS || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const before = this.#content.crop, crop = { ...before };
    const step = (event.shiftKey ? 0.05 : 0.01) * (STEPS[event.key] ?? 0);
    moved(crop, edge, { Home: 0, End: 1 }[event.key] ?? crop[edge] + step);
    this.#finish(before, { ...this.#content, crop });
  }

  /** One step for undo, however far it went. */
  #finish(before, after) {
    this.#pad.put(after, { from: { ...after, crop: before } });
  }
}

/** Moves an edge of a crop, never beyond the one across. */
function moved(crop, edge, to) {
  const across = crop[OPPOSITE[edge]];
  const isFirst = edge === "left" || edge === "top";
  crop[edge] = isFirst ? Math.max(0, Math.min(to, across - LEAST)) : Math.min(1, Math.max(to, across + LEAST));
}
