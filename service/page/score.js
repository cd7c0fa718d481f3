// Scoring fonts: they become jobs, which are followed one at a time, as the server works on them.

import { addressed, ask, askJson, explained, pause } from "./api.js";
import { byId, note, say, tell } from "./dom.js";
import { events } from "./events.js";
import { JobCard, named } from "./job.js";
import { count } from "./text.js";

const EARLIER = 5;
const LATER = 10; // seconds until a job that could not be followed is tried again, or more where the server says so

export class Score {
  #cards = new Map();
  #model;
  #following = null;

  constructor(model) {
    this.#model = model;
    byId("fonts").addEventListener("change", event => {
      this.post([...event.target.files]);
      event.target.value = "";
    });
  }

  /** Jobs of before, and whatever goes on. */
  async load() {
    try {
      const { jobs } = await askJson(`/jobs?limit=${EARLIER}`);
      for (const job of jobs.reverse()) this.#add(job);
      this.#follow();
    } catch (error) {
      note(byId("score-note"), ...explained(error));
      byId("drop").hidden = error.name === "no-jobs";
    }
  }

  /** Sends fonts, or archives of them, as one job. */
  async post(files) {
    if (!files.length) return;
    const line = byId("score-note");
    const form = new FormData();
    for (const file of files) form.append("font", file);
    tell(line, `Sending ${files.length === 1 ? files[0].name : count(files.length, "file")}…`);
    byId("drop").dataset.busy = "";
    try {
      const job = await askJson(addressed("/fonts/score", this.#model()), { method: "POST", body: form });
      note(line);
      say(`${named(job.fonts)} is being scored`);
      this.#add(job);
      this.#follow();
    } catch (error) {
      tell(line, ...explained(error, "The fonts did not get through. Choose them again once the server is back."));
    } finally {
      delete byId("drop").dataset.busy;
    }
  }

  #add(job) {
    if (this.#cards.has(job.id)) return this.#cards.get(job.id).update(job);
    const card = new JobCard(job, () => this.#next());
    this.#cards.set(job.id, card);
    byId("jobs").prepend(card.element);
  }

  #next() {
    this.#following?.controller.abort();
    this.#following = null;
    this.#follow();
  }

  /** Follows the oldest job that is not finished: browsers have few connections, and the server does one job. */
  async #follow() {
    if (this.#following) return;
    const [id, card] = [...this.#cards].find(([, one]) => one.element.isConnected && !one.isFinished) ?? [];
    if (!card) return;
    const controller = new AbortController();
    this.#following = { id, controller };
    try {
      for await (const { name, data } of events(card.links.events, controller.signal)) {
        if (name !== "font") card.update(data);
      }
      if (!card.isFinished) card.update(await (await ask(card.links.self)).json()); // its end was told before
    } catch (error) {
      if (controller.signal.aborted) return;
      note(byId("score-note"), ...explained(error));
      if (error.name === "unknown-job") card.element.remove();
      else {
        await pause(1000 * Math.max(error.retryAfter ?? 0, LATER));
        if (controller.signal.aborted) return;
        note(byId("score-note"));
      }
    }
    this.#next();
  }
}
