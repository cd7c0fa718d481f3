// A job's report: shown in place, in a frame that has no origin and loads nothing, and saved as a file.

import { ask } from "./api.js";
import { download, element } from "./dom.js";
import { unzip } from "./zip.js";

const FRAME = "/page/frame.html";
const INDEX = "index.html";
const ZIP = "application/zip";

/** The report in a frame. Of several fonts it is an archive of pages, which link to one another. */
export async function shown(job) {
  const response = await ask(`${job.links.report}?format=html`);
  const blob = await response.blob();
  const isArchive = (response.headers.get("content-type") ?? "").startsWith(ZIP);
  const pages = isArchive ? await unzip(blob) : new Map([[INDEX, () => blob.text()]]);
  const frame = element("iframe", { src: FRAME, title: "Report", class: "report" });
  frame.setAttribute("sandbox", "allow-scripts");
  const send = async name => {
    if (pages.has(name)) frame.contentWindow.postMessage({ html: await pages.get(name)() }, "*"); // it has no origin to name
  };
  const hear = event => {
    if (!frame.isConnected) removeEventListener("message", hear);
    else if (event.source === frame.contentWindow) send(event.data.ready ? INDEX : event.data.open);
  };
  addEventListener("message", hear);
  return frame;
}

/** Saves a report as a file. */
export async function save(job, format) {
  const response = await ask(`${job.links.report}?format=${format}`);
  const blob = await response.blob();
  const suffix = blob.type.startsWith(ZIP) ? "zip" : format;
  download(blob, `glyphery-report.${suffix}`);
}
