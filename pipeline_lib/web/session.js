"use strict";
// The model in the page itself: `MODEL` and `RUNTIME` are what `garbage export --format page` has written beside it.
// Files are read as data: addresses, because a page that was opened from a disk may fetch nothing else.

const MOST_PIXELS = 50e6, TOP = 5;

const bytesOf = async text => (await fetch("data:application/octet-stream;base64," + text)).arrayBuffer();

const model = {
  head: null,
  session: null,

  async known() {
    return { ...MODEL.names, note: "local" };
  },

  async classify(files) {
    await model.loaded;
    const rows = [];
    for (const file of files) rows.push(await model.one(file));
    return rows;
  },

  async one(file) {
    try {
      const seen = await see(model.session, await pixelsOf(file));
      return { image: file.name, ...answer(model.head, seen), seen };
    } catch (error) {
      if (error instanceof Unreadable) return { image: file.name, error: error.message };
      throw error;
    }
  },
};

class Unreadable extends Error {}

// What a head says of what was seen, as a row of /predict.
function answer(head, seen) {
  const shares = head.probabilities(seen);
  const order = [...shares.keys()].sort((one, other) => shares[other] - shares[one] || one - other).slice(0, TOP);
  const top = order.map(number => [head.classes[number], Math.round(1e4 * shares[number]) / 1e4]);
  const [name, probability] = top[0];
  return { class: name, probability, bin: MODEL.bins[name] ?? null, noise: seen.noise, top, sure: probability >= MODEL.sure };
}

// Red, green and blue of an upright picture on white, as `read_image` gives them.
async function pixelsOf(file) {
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const picture = await createImageBitmap(file, options).catch(() => { throw new Unreadable("not an image that this browser reads"); });
  const { width, height } = picture;
  if (width * height > MOST_PIXELS) throw new Unreadable(`${(width * height / 1e6).toFixed(1)} megapixels, limit ${MOST_PIXELS / 1e6}`);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0);
  picture.close();
  const { data } = context.getImageData(0, 0, width, height), pixels = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return new ort.Tensor("uint8", pixels, [1, height, width, 3]);
}

// What the last layer takes of a picture: values, the level of noise, and the noise of 255 that was removed.
async function see(session, images) {
  const { rows, level, noise } = await session.run({ images });
  return { values: rows.data, level: level ? level.data[0] : 0, noise: noise ? Math.round(100 * noise.data[0]) / 100 : null };
}

model.loaded = (async () => {
  ort.env.wasm.numThreads = 1;  // several need headers that a page on a disk does not have
  ort.env.wasm.wasmBinary = await bytesOf(RUNTIME.wasm);
  ort.env.wasm.wasmPaths = { mjs: "data:text/javascript;base64," + RUNTIME.glue };
  const { weight, bias, classes, temperature, width } = MODEL.head;
  model.head = new Head(classes, new Float32Array(await bytesOf(weight)), new Float32Array(await bytesOf(bias)), width, temperature);
  model.session = await ort.InferenceSession.create(await bytesOf(MODEL.graph));
})();
