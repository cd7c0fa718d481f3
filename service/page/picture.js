// Pictures that people bring, and pictures that are made to be sent.

const SENDABLE = /^image\/(png|jpeg|webp|bmp|gif|tiff)$/;
const LARGEST = 4 * 2 ** 20; // bytes that are sent as they are; the service takes twice as many unless told otherwise
const LONGEST = 1024; // pixels that say something about a glyph
const WHOLE = { left: 0, top: 0, right: 1, bottom: 1 };

/** A picture of a file: what is seen of it, and which part counts. Throws where the browser cannot read it. */
export async function readPicture(file) {
  try {
    return { kind: "picture", file, bitmap: await createImageBitmap(file), crop: WHOLE };
  } catch {
    if (!SENDABLE.test(file.type)) throw new Error(`${file.name || "This file"} is no picture that this browser can read.`);
    return { kind: "picture", file, bitmap: null, crop: WHOLE }; // TIFF: the service can
  }
}

export const isWhole = ({ left, top, right, bottom }) => left <= 0 && top <= 0 && right >= 1 && bottom >= 1;

/** The part of a picture that counts, as bytes; the file itself where that is all of it. */
export async function partOf({ file, bitmap, crop }) {
  if (!bitmap || (isWhole(crop) && SENDABLE.test(file.type) && file.size <= LARGEST)) return file;
  const x = crop.left * bitmap.width, width = (crop.right - crop.left) * bitmap.width;
  const y = crop.top * bitmap.height, height = (crop.bottom - crop.top) * bitmap.height;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const size = [width, height].map(side => Math.max(1, Math.round(scale * side)));
  const { canvas, context } = blank(...size);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, width, height, 0, 0, ...size);
  return encoded(canvas);
}

/** A canvas that nobody sees. */
export function blank(width, height) {
  const canvas = typeof OffscreenCanvas === "function" ? new OffscreenCanvas(width, height)
    : Object.assign(document.createElement("canvas"), { width, height });
  return { canvas, context: canvas.getContext("2d") };
}

/** A canvas as a PNG. An OffscreenCanvas is quicker: others are encoded when the browser has nothing else to do. */
export const encoded = canvas => canvas.convertToBlob ? canvas.convertToBlob({ type: "image/png" })
  : new Promise(resolve => { canvas.toBlob(resolve, "image/png"); });
