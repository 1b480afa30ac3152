// OVERFIT in the page: a word in any script or a picture is what the net learns by heart.
const { Problem, readSeed, paint, Curve, begin } = REFNET_LIVE;
const HEIGHT = 60;
const WIDTH = 200;
const SMALLEST = 8; // px, the height of a line of letters that can still be told apart

// 1 where the luminance is above 128 of 255, as in refnet.ImagePixels
const labelsOf = (draw) => {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#000";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  draw(context);
  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  const labels = new Uint8Array(WIDTH * HEIGHT);
  for (let i = 0; i < labels.length; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    labels[i] = 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? 1 : 0;
  }
  if (labels.every((label) => label === labels[0])) throw new Problem("one-colour");
  return labels;
};

// The picture of the course, drawn by refnet.draw_text: eight pixels a byte
const shippedLabels = (bits) => {
  const bytes = atob(bits);
  const labels = new Uint8Array(WIDTH * HEIGHT);
  for (let i = 0; i < labels.length; i++) {
    labels[i] = (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
  }
  return labels;
};

const drawnWord = (word) => {
  if (word === "") throw new Problem("no-word");
  if (word === "OVERFIT") return shippedLabels(REFNET_LIVE.parts.overfit.data.overfit);
  return labelsOf((context) => {
    const measure = (size) => {
      context.font = `600 ${size}px "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif`;
      const ink = context.measureText(word);
      const width = ink.actualBoundingBoxLeft + ink.actualBoundingBoxRight;
      const height = ink.actualBoundingBoxAscent + ink.actualBoundingBoxDescent;
      return { width, height, left: ink.actualBoundingBoxLeft, up: ink.actualBoundingBoxAscent };
    };
    context.textAlign = "left";
    context.fillStyle = "#fff";
    const large = measure(100);
    const fit = (15 / 16) * Math.min(WIDTH / large.width, HEIGHT / large.height);
    const ink = measure(100 * fit);
    if (100 * fit < SMALLEST) throw new Problem("long-word");
    const x = (WIDTH - ink.width) / 2 + ink.left;
    context.fillText(word, x, (HEIGHT - ink.height) / 2 + ink.up);
  });
};

const drawnPicture = async (file) => {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Problem("picture");
  }
  const scale = Math.min(WIDTH / bitmap.width, HEIGHT / bitmap.height);
  const width = scale * bitmap.width;
  const height = scale * bitmap.height;
  const place = [(WIDTH - width) / 2, (HEIGHT - height) / 2, width, height];
  return labelsOf((context) => {
    context.fillStyle = "#fff"; // behind what is transparent
    context.fillRect(...place);
    context.drawImage(bitmap, ...place);
  });
};

class Overfit {
  constructor(element) {
    this.small = element.dataset.variant === "small";
    const isFirst = element.dataset.variant === "first";
    this.partner = isFirst ? element.parentElement.querySelector("[data-variant=second]") : null;
    this.file = null;
  }

  ready(box) {
    this.target = box.find(".live-target");
    this.output = box.find(".live-output");
    this.curve = box.find(".live-curve") && new Curve(box.find(".live-curve"));
    for (const name of ["word", "activation", "range", "batch-norm", "fourier", "seed"]) {
      box.control(name).addEventListener("change", () => {
        if (name === "word") this.file = null;
        this.share(box, name);
        box.chosen();
      });
    }
    for (const offer of box.element.querySelectorAll("[data-offer]")) {
      offer.addEventListener("click", () => {
        box.control("word").value = offer.textContent;
        box.control("word").dispatchEvent(new Event("change"));
      });
    }
    box.control("steps").addEventListener("change", () => this.share(box, "steps"));
    box.control("picture")?.addEventListener("change", ({ target }) => {
      if (target.files[0]) this.take(box, target.files[0]);
    });
    box.element.addEventListener("dragover", (event) => event.preventDefault());
    box.element.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.take(box, event.dataTransfer.files[0]);
    });
    this.show(box, { picture: new Uint8ClampedArray(WIDTH * HEIGHT).fill(128) });
    box.chosen();
    if (this.small) this.runOnce(box);
  }

  take(box, file) {
    this.file = file;
    box.chosen();
    const second = this.partner?.liveBox;
    if (second) second.part.take(second, file);
  }

  // Of two nets side by side the first has the controls that both go by
  share(box, name) {
    const second = this.partner?.liveBox;
    if (!second || !["word", "seed", "steps"].includes(name)) return;
    second.control(name).value = box.control(name).value;
    if (name === "word") second.part.file = null;
    if (name !== "steps") second.chosen();
  }

  before(action) {
    this.partner?.liveBox?.press(action);
  }

  async options(box) {
    const seed = readSeed(box);
    const word = box.control("word").value.trim();
    const labels = this.file ? await drawnPicture(this.file) : drawnWord(word);
    const white = labels.map((label) => 255 * label);
    paint(this.target, white, WIDTH, HEIGHT);
    const batchNorm = box.control("batch-norm").checked ? "-bn" : "";
    const fourier = box.control("fourier").checked ? "-fourier" : "";
    const key = box.control("activation").value + batchNorm + fourier;
    const range = Number(box.control("range").value);
    return { key, range, seed, height: HEIGHT, width: WIDTH, labels };
  }

  steps(box) {
    return Number(box.control("steps").value);
  }

  clear() {
    this.curve?.clear();
  }

  show(box, { picture, losses = [] }) {
    paint(this.output, picture, WIDTH, HEIGHT);
    this.curve?.add(losses);
  }

  // On the front page: once, when it comes into view, unless the reader wants no motion
  runOnce(box) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (!box.worker && !document.hidden) box.press("start");
    }, { threshold: 0.5 });
    watcher.observe(box.element);
  }
}

begin("overfit", (element) => new Overfit(element));
