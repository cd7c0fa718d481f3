// Server-sent events over fetch: an EventSource cannot send a key.

import { Away, ask, pause, returned } from "./api.js";

const AGAIN = 2000; // milliseconds until a connection that broke off is taken up again

/** Events up to the one called `end`, each with name, id and data; goes on where a connection broke off. */
export async function* events(path, signal) {
  let id = "";
  for (;;) {
    try {
      const response = await ask(path, { streams: true, signal, headers: id ? { "Last-Event-ID": id } : {} });
      if (response.status === 204) return;
      for await (const event of read(response.body)) {
        id = event.id || id;
        yield event;
        if (event.name === "end") return;
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof Away || error instanceof TypeError)) throw error;
      await returned();
    }
    await pause(AGAIN, signal);
  }
}

async function* read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map(line => line.split(/: ?(.*)/s).slice(0, 2)));
      if (fields.data) yield { name: fields.event ?? "message", id: fields.id ?? "", data: JSON.parse(fields.data) };
    }
  }
}
