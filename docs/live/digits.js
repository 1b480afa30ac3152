// Digits and clothes in the page: a net learns real pictures and judges what the reader draws.
const { Problem, readSeed, paint, Curve, begin } = REFNET_LIVE;
const SIDE = 28;
const PIXELS = SIDE * SIDE;
const BOX = 20; // MNIST's digits are scaled into 20 x 20, their centre of mass put in the middle
const PEN = 22; // px of a canvas of 280

// The samples come as a script, so that they load from the file system too
const loaded = {};
const load = (name, address) => {
  loaded[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Problem("samples")));
    document.head.append(script);
  }).then(() => unpack(REFNET_LIVE.samples[name]));
  loaded[name].catch(() => { loaded[name] = undefined; });
  return loaded[name];
};

const bytesOf = async (packed) => {
  const letters = atob(packed);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

const unpack = async ({ mean, std, train, test }) => {
  if (!window.DecompressionStream) throw new Problem("samples");
  const halves = {};
  for (const [name, { images, labels }] of Object.entries({ train, test })) {
    halves[name] = { images: await bytesOf(images), labels: await bytesOf(labels) };
  }
  return { mean, std, ...halves };
};

// What was drawn, scaled and centred as MNIST's digits are
const asDigit = (drawing) => {
  const size = drawing.width;
  const { data } = drawing.getContext("2d").getImageData(0, 0, size, size);
  const box = [size, size, -1, -1];
  for (let i = 0; i < size * size; i++) {
    if (data[4 * i] < 128) continue;
    const x = i % size;
    const y = Math.floor(i / size);
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  if (box[2] < 0) return null;
  const width = box[2] - box[0] + 1;
  const height = box[3] - box[1] + 1;
  const scale = BOX / Math.max(width, height);
  const place = (left, top) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, SIDE, SIDE);
    context.imageSmoothingQuality = "high";
    context.drawImage(drawing, box[0], box[1], width, height, left, top, scale * width, scale * height);
    const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
    return Uint8Array.from({ length: PIXELS }, (_, i) => pixels[4 * i]);
  };
  const middle = [(SIDE - scale * width) / 2, (SIDE - scale * height) / 2];
  const [x, y] = centreOfMass(place(...middle));
  return place(middle[0] + SIDE / 2 - x, middle[1] + SIDE / 2 - y);
};

const centreOfMass = (image) => {
  let all = 0;
  let x = 0;
  let y = 0;
  image.forEach((v, i) => {
    all += v;
    x += v * ((i % SIDE) + 0.5);
    y += v * (Math.floor(i / SIDE) + 0.5);
  });
  return [x / all, y / all];
};

class Digits {
  ready(box) {
    this.drawing = box.find(".live-drawing");
    this.seen = box.find(".live-seen");
    this.bars = [...box.element.querySelectorAll(".live-bar")];
    this.list = box.find(".live-mistakes");
    this.curve = new Curve(box.find(".live-curve"));
    for (const name of ["set", "model", "seed"]) {
      box.control(name).addEventListener("change", () => {
        if (name === "set") this.wipe(box);
        this.name(box);
        if (box.worker || name === "seed") box.chosen();
      });
    }
    box.find("[data-tool=clear]").addEventListener("click", () => this.wipe(box));
    box.find("[data-tool=another]").addEventListener("click", () => this.another(box));
    this.listen(box);
    this.name(box);
    this.wipe(box);
  }

  names(box) {
    return box.words[`names-${box.control("set").value}`].split(",").map((name) => name.trim());
  }

  name(box) {
    this.names(box).forEach((name, i) => {
      this.bars[i].querySelector(".live-name").textContent = name;
    });
  }

  listen(box) {
    const { drawing } = this;
    let last = null;
    const at = (event) => {
      const { left, top, width } = drawing.getBoundingClientRect();
      const scale = drawing.width / width;
      return [(event.clientX - left) * scale, (event.clientY - top) * scale];
    };
    const stroke = (from, to) => {
      const context = drawing.getContext("2d");
      context.strokeStyle = "#fff";
      context.lineWidth = PEN;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    };
    drawing.addEventListener("pointerdown", (event) => {
      drawing.setPointerCapture(event.pointerId);
      last = at(event);
      stroke(last, last);
      this.judge(box, asDigit(drawing));
    });
    drawing.addEventListener("pointermove", (event) => {
      if (!last) return;
      const now = at(event);
      stroke(last, now);
      last = now;
      this.judge(box, asDigit(drawing));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      drawing.addEventListener(end, () => { last = null; });
    }
  }

  wipe(box) {
    const context = this.drawing.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.drawing.width, this.drawing.height);
    this.judge(box, null);
  }

  // A picture of the test set in place of a drawing
  async another(box) {
    try {
      if (!box.fresh) await box.reset();
    } catch (error) {
      if (error instanceof Problem) return;
      throw error;
    }
    const { images, labels } = this.samples.test;
    this.which = ((this.which ?? -7) + 37) % labels.length;
    this.wipe(box);
    this.judge(box, images.slice(this.which * PIXELS, (this.which + 1) * PIXELS));
  }

  async judge(box, image) {
    this.image = image;
    paint(this.seen, image ?? new Uint8Array(PIXELS), SIDE, SIDE);
    if (!box.fresh) return;
    const { p } = await box.call("ask", { image });
    this.showBars(p);
  }

  showBars(p) {
    this.bars.forEach((bar, i) => {
      const share = p ? p[i] : 0;
      bar.querySelector("progress").value = share;
      bar.querySelector(".live-share").textContent = p ? share.toFixed(2) : "–";
      bar.toggleAttribute("data-most", Boolean(p) && share === Math.max(...p));
    });
  }

  async options(box) {
    const set = box.control("set").value;
    const seed = readSeed(box);
    box.tell(box.words.loading);
    const address = box.control("set").selectedOptions[0].dataset.samples;
    this.samples = await load(set, address);
    box.tell("");
    return { key: box.control("model").value, seed, samples: this.samples };
  }

  clear() {
    this.curve.clear();
  }

  steps(box) {
    return Number(box.control("steps").value);
  }

  show(box, { t, losses, accuracy, epoch, mistakes, p, over }) {
    this.curve.add(losses);
    box.write("accuracy", accuracy.toFixed(3));
    box.write("epoch", String(epoch));
    if (p) this.showBars(p);
    else if (this.image) this.judge(box, this.image);
    if (over) this.showMistakes(box, t ? mistakes : []);
  }

  showMistakes(box, mistakes) {
    const names = this.names(box);
    this.list.replaceChildren(...mistakes.map(({ image, said, label }) => {
      const item = document.createElement("li");
      const canvas = document.createElement("canvas");
      paint(canvas, image, SIDE, SIDE);
      canvas.setAttribute("aria-hidden", "true");
      const text = document.createElement("span");
      text.textContent = box.words.mistake
        .replace("{said}", names[said])
        .replace("{label}", names[label]);
      item.append(canvas, text);
      return item;
    }));
  }
}

begin("digits", () => new Digits());
