// What a model that names primitives sees: its raster, and a colour for the primitive in each cell.

import { addressed, askJson, explained, newest } from "./api.js";
import { byId, note } from "./dom.js";
import { readPicture } from "./picture.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const TURN = 137.508; // degrees: neighbouring numbers get colours far from each other
const FACTOR = 32; // a primitive is 32 * first + second
const PIXEL = 4; // canvas pixels of a raster's one

export class Primitives {
  #details = byId("primitives");
  #canvas = byId("cells");
  #said = byId("cell");
  #model;
  #taken = null;
  #seen = null;
  #at = [0, 0];

  constructor(model) {
    this.#model = model;
    this.#details.addEventListener("toggle", () => this.#again());
    byId("grid").addEventListener("keydown", event => this.#key(event));
    this.#canvas.addEventListener("pointermove", event => this.#point(event));
  }

  /** Whether the model that answers names any. */
  set offered(offered) {
    this.#details.hidden = !offered;
    this.#again();
  }

  /** taken: a picture with its metrics as they are asked about; null for none */
  ask(taken) {
    this.#taken = taken;
    this.#again();
  }

  #again = newest(async signal => {
    if (this.#details.hidden || !this.#details.open || !this.#taken) return;
    const { picture, metrics } = this.#taken;
    try {
      const { raster, cell, grid } = await askJson(addressed("/primitives", { ...this.#model(), ...metrics }),
        { method: "POST", body: picture, signal });
      const bytes = Uint8Array.from(atob(raster), letter => letter.charCodeAt(0));
      const { bitmap } = await readPicture(new Blob([bytes], { type: "image/png" }));
      this.#seen = { bitmap, cell, grid };
      this.#go(Math.min(this.#at[0], grid.length - 1), Math.min(this.#at[1], grid.length - 1));
    } catch (error) {
      if (signal.aborted) throw error;
      note(this.#said, ...explained(error));
    }
  });

  #go(row, column) {
    const { grid } = this.#seen;
    if (grid[row]?.[column] === undefined) return;
    this.#at = [row, column];
    const number = grid[row][column], same = grid.flat().filter(other => other === number).length;
    this.#said.textContent = `Row ${row + 1}, column ${column + 1}: primitive ${number}, factors ${Math.floor(number / FACTOR)} and `
      + `${number % FACTOR}; in ${same} of ${grid.length ** 2} cells.`;
    this.#paint();
  }

  #paint() {
    const { bitmap, cell, grid } = this.#seen, [row, column] = this.#at;
    const side = cell * PIXEL, context = this.#canvas.getContext("2d");
    this.#canvas.width = this.#canvas.height = side * grid.length;
    context.imageSmoothingEnabled = false;
    context.drawImage(bitmap, 0, 0, this.#canvas.width, this.#canvas.height);
    const flat = grid.flat(), often = number => flat.filter(other => other === number).length;
    const paper = flat.reduce((most, number) => (often(number) > often(most) ? number : most));
    grid.forEach((numbers, y) => numbers.forEach((number, x) => {
      // What is in most cells is paper: in full colour it would be all that one sees.
      const strength = (number === grid[row][column] ? 0.75 : 0.4) * (number === paper ? 0.2 : 1);
      context.fillStyle = `hsl(${(number * TURN) % 360} 80% 50% / ${strength})`;
      context.fillRect(x * side + 1, y * side + 1, side - 2, side - 2);
    }));
    context.strokeStyle = "#000";
    context.lineWidth = PIXEL;
    context.strokeRect(column * side, row * side, side, side);
  }

  #point(event) {
    if (!this.#seen) return;
    const box = this.#canvas.getBoundingClientRect(), cells = this.#seen.grid.length;
    this.#go(Math.floor(((event.clientY - box.top) / box.height) * cells), Math.floor(((event.clientX - box.left) / box.width) * cells));
  }

  #key(event) {
    const step = STEPS[event.key];
    if (!step || !this.#seen) return;
    event.preventDefault();
    this.#go(this.#at[0] + step[0], this.#at[1] + step[1]);
  }
}
