// Reading a ZIP of text files, as the service makes them: no encryption, no ZIP64.

const END = 0x06054b50, MEMBER = 0x02014b50;
const END_SIZE = 22, MEMBER_SIZE = 46, LOCAL_SIZE = 30;
const STORED = 0;

/** The members of an archive: name -> function that gives its text. */
export async function unzip(blob) {
  const bytes = await blob.arrayBuffer();
  const view = new DataView(bytes);
  let end = bytes.byteLength - END_SIZE;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw new Error("The report is no archive.");
  const members = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left && view.getUint32(at, true) === MEMBER; left -= 1) {
    const method = view.getUint16(at + 10, true), size = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map(offset => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    members.set(new TextDecoder().decode(new Uint8Array(bytes, at + MEMBER_SIZE, name)), () => {
      const start = local + LOCAL_SIZE + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      return text(blob.slice(start, start + size), method);
    });
    at += MEMBER_SIZE + name + extra + comment;
  }
  return members;
}

const text = (packed, method) => method === STORED ? packed.text()
  : new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
