// One job on the page: how far it is, what has come of it, and what can be done with it.

import { Problem, ask, explained } from "./api.js";
import { byId, element, isolated, note, say, tell } from "./dom.js";
import { save, shown } from "./report.js";
import { count } from "./text.js";

const FINISHED = ["done", "failed", "cancelled"];
const WORDS = { queued: "waiting", running: "at work", done: "done", failed: "failed", cancelled: "cancelled" };
const FILES = { jsonl: "JSON lines", csv: "CSV", html: "HTML" };
const STATUSES = ["PASS", "SKIP", "WARN", "FAIL", "ERROR"];

export class JobCard {
  #job;
  #name;
  #heading = element("h3");
  #badge = element("span", { class: "badge" });
  #progress = element("progress");
  #words = element("p", { class: "small" });
  #counts = element("ul", { class: "counts" });
  #actions = element("p", { class: "buttons" });
  #note = element("p", { class: "note", hidden: true });
  #place = element("div");
  #changed;

  /** changed: called when it is cancelled or removed here */
  constructor(job, changed) {
    this.#name = named(job.fonts);
    this.#changed = changed;
    this.#heading.append(isolated(this.#name));
    this.#progress.setAttribute("aria-label", `Progress of ${this.#name}`);
    this.element = element("article", { class: "job", "aria-label": this.#name },
      element("header", {}, this.#heading, this.#badge), this.#progress, this.#words, this.#counts, this.#actions, this.#note, this.#place);
    this.update(job);
  }

  get isFinished() { return FINISHED.includes(this.#job.status); }
  get links() { return this.#job.links; }

  update(job) {
    const before = this.#job?.status;
    this.#job = job;
    const { status, fonts, current, worst, reason, skipped, skipped_total: passedOver } = job;
    this.#badge.textContent = status === "done" && worst ? worst : WORDS[status];
    this.#badge.className = `badge ${status === "done" && worst ? worst : status}`;
    this.#progress.hidden = this.isFinished;
    this.#progress.max = fonts.total;
    this.#progress.value = fonts.done + (current?.total ? current.done / current.total : 0);
    const now = current ? `${current.font}: ${current.done} of ${count(current.total, "glyph")}` : "";
    const other = passedOver ? `${count(passedOver, "other file")} passed over, such as ${skipped[0].name} (${skipped[0].reason})` : "";
    this.#words.textContent = [`${fonts.done} of ${count(fonts.total, "font")}`, count(job.glyphs_done, "glyph"), now, reason, other]
      .filter(Boolean).join(" · ");
    this.#counts.replaceChildren(...STATUSES.filter(name => job.counts[name]).map(name =>
      element("li", { class: name }, element("b", {}, job.counts[name].toLocaleString("en")), ` ${name}`)));
    if (status === before) return;
    this.#offer();
    if (this.isFinished && before) say(`${this.#name}: ${WORDS[status]}${status === "done" ? `, ${worst ?? ""}` : ""}`);
  }

  /** Shows the report below. */
  async open() {
    this.#place.replaceChildren(await shown(this.#job));
    this.#offer();
  }

  #offer() {
    const isDone = this.#job.status === "done", isOpen = this.#place.hasChildNodes();
    const files = isDone ? Object.entries(FILES).map(([format, name]) => this.#button(name, `Save the report as ${name}`, () => save(this.#job, format))) : [];
    const held = [...this.#actions.children].indexOf(document.activeElement);
    this.#actions.replaceChildren(
      ...(isDone ? [isOpen ? this.#button("Close the report", "", () => this.#close())
        : this.#button("Read the report", "", () => this.open(), "first")] : []),
      ...files,
      this.#button(this.isFinished ? "Remove" : "Cancel", "", () => this.#end()));
    this.#actions.children[Math.min(held, this.#actions.children.length - 1)]?.focus(); // of none where none was
  }

  #close() {
    this.#place.replaceChildren();
    this.#offer();
    this.#actions.firstElementChild.focus();
  }

  async #end() {
    let response;
    try {
      // Cancelled at the moment it is done, it keeps its report.
      response = await ask(this.#job.links.self + (this.isFinished ? "" : "?keep=true"), { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof Problem && error.name === "unknown-job")) throw error; // somebody else was quicker
    }
    if (response?.status === 200) this.update(await response.json());
    else {
      this.element.remove();
      byId("fonts").focus();
    }
    this.#changed();
  }

  #button(text, label, action, kind = "") {
    const button = element("button", { type: "button", class: kind, title: label }, text);
    button.setAttribute("aria-label", `${label || text}: ${this.#name}`);
    button.addEventListener("click", async () => {
      if (button.hasAttribute("aria-disabled")) return;
      note(this.#note);
      button.setAttribute("aria-disabled", "true"); // it would lose the focus if it were disabled
      try {
        await action();
      } catch (error) {
        tell(this.#note, ...explained(error));
      } finally {
        button.removeAttribute("aria-disabled");
      }
    });
    return button;
  }
}

/** The first fonts' names, and how many others there are. */
export function named({ names, total }) {
  return names.join(", ") + (total > names.length ? ` and ${count(total - names.length, "other")}` : "");
}
