// Asking the service: keys, problems, patience with a busy server and with one that is away.
//
// `service` tells the page: "away" and "back", "busy" with `detail` seconds and "idle".

import { byId, note } from "./dom.js";

const KEY = "glyphery-key";
const BUSY = [429, 503]; // another try at what took too long (504) would take as long
const LONGEST_WAIT = 10; // seconds; who is told to wait for longer hears of it
const MOST_TRIES = 30;
const FIRST_LOOK = 800; // milliseconds until an absent server is looked for, then longer and longer
const RARELY = 8000;

export const service = new EventTarget();

/** What the service says is wrong, as RFC 9457 has it. */
export class Problem extends Error {
  constructor(status, document, retryAfter = 0) {
    super(document.detail || document.title);
    Object.assign(this, { status, title: document.title, name: document.type.split(":").pop(), retryAfter });
  }

  static async of(response) {
    const said = (response.headers.get("content-type") ?? "").startsWith("application/problem+json")
      ? await response.json() : { type: "", title: response.statusText || `Status ${response.status}`, detail: "" };
    return new Problem(response.status, said, Number(response.headers.get("retry-after")) || 0);
  }
}

/** The server cannot be reached. The page says so by itself, and `service` tells when it is back. */
export class Away extends Error {}

/** An answer of the service that is well; waits where it is busy. Throws Problem, Away, and what an abort throws.
 *  Its body is all there, unless it `streams`: then reading that may throw, too. */
export async function ask(path, options = {}) {
  try {
    return await askPatiently(path, options);
  } finally {
    service.dispatchEvent(new Event("idle")); // whatever came of it, this waits no longer
  }
}

async function askPatiently(path, options) {
  for (let tries = 1; ; tries += 1) {
    const response = await reach(path, options);
    if (response.ok) return response;
    const problem = await Problem.of(response);
    if (problem.status === 401 && !declined && await hasNewKey()) continue;
    const isBusy = BUSY.includes(problem.status) && problem.retryAfter > 0;
    if (!isBusy || problem.retryAfter > LONGEST_WAIT || tries >= MOST_TRIES) throw problem;
    service.dispatchEvent(new CustomEvent("busy", { detail: problem.retryAfter }));
    // Not all at the same moment, who were refused at the same moment.
    await pause(1000 * problem.retryAfter * (1 + Math.random()), options.signal);
  }
}

export async function askJson(path, options = {}) {
  const answer = await (await ask(path, options)).json();
  options.signal?.throwIfAborted(); // an answer that was there already would come after what has taken its place
  return answer;
}

/** A path with the parameters that say something. */
export function addressed(path, parameters) {
  const said = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return said.length ? `${path}?${new URLSearchParams(said)}` : path;
}

/** The address of a picture of the service for an <img>, which cannot send a key by itself. */
export async function pictureAddress(path, signal) {
  if (!hasKey()) return path;
  return URL.createObjectURL(await (await ask(path, { signal })).blob());
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/** The work of the newest call only: one that comes in aborts the one before, and nobody hears of that. */
export function newest(work) {
  let controller = new AbortController();
  return async (...given) => {
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    try {
      await work(signal, ...given);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}

/** Words for a line of the page. Of a server that is away a notice speaks: what is to be said beside it is `away`. */
export function explained(error, ...away) {
  if (error instanceof Away) return away;
  if (!(error instanceof Problem)) throw error;
  const title = document.createElement("b");
  title.textContent = `${error.title}.`;
  return [title, error.message === error.title ? "" : ` ${error.message}`];
}

async function reach(path, { headers = {}, streams = false, ...options }) {
  const key = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, { ...options, headers: key ? { ...headers, "X-API-Key": key } : headers });
    // One that breaks off is no answer either.
    if (!streams && response.status !== 204) response = new Response(await response.blob(), response);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    response = undefined;
  }
  // A proxy answers 502 for a server that is away; the service itself never does.
  if (response && response.status !== 502) return response;
  lost();
  throw new Away("The server cannot be reached.");
}

// --- away ---------------------------------------------------------------------------------------

let returning = null;

/** Resolves once the server is there, at once where it is. */
export const returned = () => returning ?? Promise.resolve();

function lost() {
  if (returning) return;
  returning = watch().then(() => {
    returning = null;
    service.dispatchEvent(new Event("back"));
  });
  service.dispatchEvent(new Event("away"));
}

async function watch() {
  for (let wait = FIRST_LOOK; ; wait = Math.min(1.5 * wait, RARELY)) {
    await soonerIfSeen(wait);
    try {
      if ((await fetch("/readyz", { cache: "no-store" })).ok) return;
    } catch { /* not yet */ }
  }
}

/** A pause that ends when the network comes back, or somebody looks at the page again. */
function soonerIfSeen(milliseconds) {
  return new Promise(resolve => {
    const seen = new AbortController();
    const go = () => { seen.abort(); clearTimeout(timer); resolve(); };
    const timer = setTimeout(go, milliseconds);
    addEventListener("online", go, seen);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) go(); }, seen);
  });
}

// --- keys ---------------------------------------------------------------------------------------

let asking = null;
let declined = false; // whoever does not want to give a key is not asked again and again

export const hasKey = () => Boolean(sessionStorage.getItem(KEY));

/** Asks for a key; whoever needs one meanwhile waits for the same answer. False where none is given. */
export function hasNewKey() {
  asking ??= askForKey().finally(() => { asking = null; });
  return asking;
}

function askForKey() {
  const dialog = byId("key"), field = byId("key-text");
  if (hasKey()) note(byId("key-note"), "The key you gave is not known here. Is it whole?");
  field.form.reset(); // emptied, and not yet wrong
  dialog.returnValue = "";
  byId("no-key").onclick = () => dialog.close();
  dialog.showModal();
  return new Promise(resolve => {
    dialog.addEventListener("close", () => {
      const key = field.value.trim();
      declined = dialog.returnValue !== "use" || key === "";
      if (!declined) sessionStorage.setItem(KEY, key);
      byId("change-key").hidden = false;
      byId("change-key").textContent = hasKey() ? "Change key" : "Enter a key";
      resolve(!declined);
    }, { once: true });
  });
}
