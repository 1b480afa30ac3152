// The page's side of every live part: buttons, words, the worker, and what the element offers to
// scripts: reset(), run(k), weights(). A part brings options(), which reads its controls or throws
// a Problem, and show(), which draws what the worker sends.
class Problem extends Error {} // its message names a sentence of the page

class Box {
  constructor(element, name, part) {
    this.element = element;
    this.part = part;
    this.source = REFNET_LIVE.parts[name];
    this.calls = new Map();
    this.asked = 0;
    this.turns = 0;
    this.running = false;
    this.fresh = false; // whether the worker has been told what is chosen
    this.words = {};
    for (const word of element.querySelectorAll("[data-word]")) {
      this.words[word.dataset.word] = word.textContent;
    }
    for (const button of element.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => this.press(button.dataset.action));
    }
    document.addEventListener("visibilitychange", () => this.look());
    element.reset = () => this.reset();
    element.run = (steps) => this.run(steps);
    element.weights = () => this.call("weights");
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  control(name) {
    return this.find(`[name="${name}"]`);
  }

  // ---------------------------------------------------------------- the worker

  async call(call, argument) {
    if (!this.worker) this.employ();
    await this.begun;
    return this.send(call, argument);
  }

  send(call, argument) {
    const id = this.asked++;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, argument });
    });
  }

  employ() {
    const code = REFNET_LIVE.worker.replace("/* task */", () => this.source.task);
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.worker = new Worker(address);
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = () => this.fail("unable");
    const { programs, data } = this.source;
    this.begun = this.send("begin", { wasm: REFNET_LIVE.kernels, programs, data });
  }

  hear({ show, id, result, problem, message }) {
    if (show) {
      this.draw(show);
      return;
    }
    const { resolve, reject } = this.calls.get(id);
    this.calls.delete(id);
    if (problem) reject(new Problem(problem, { cause: message }));
    else resolve(result);
  }

  fail(word) {
    for (const call of this.calls.values()) call.reject(new Problem(word));
    this.calls.clear();
    this.worker.terminate();
    this.worker = null;
    this.fresh = false;
  }

  // ---------------------------------------------------------------- what can be asked of it

  async reset() {
    this.tell("");
    this.running = false;
    try {
      const options = await this.part.options(this);
      this.part.clear?.(this);
      await this.call("reset", options);
      this.fresh = true;
      this.mark();
    } catch (error) {
      this.explain(error);
      throw error;
    }
  }

  async run(steps, pace) {
    if (!this.fresh) await this.reset();
    const turn = ++this.turns;
    this.running = true;
    this.mark();
    try {
      await this.call("run", { steps, pace });
    } catch (error) {
      this.explain(error);
      throw error;
    } finally {
      if (turn === this.turns) this.running = false; // else a later run has taken its place
      this.mark();
    }
  }

  async start() {
    if (this.starting || this.running) return;
    this.starting = true;
    try {
      if (!this.fresh || this.part.isOver?.(this)) await this.reset();
    } finally {
      this.starting = false;
    }
    const steps = this.part.steps(this);
    const done = this.shown?.t ?? 0;
    this.say("started");
    await this.run(done < steps ? steps - done : steps, this.part.pace?.(this));
    this.say(this.shown.t >= steps ? "done" : "paused");
  }

  async pause() {
    if (this.worker && this.fresh) await this.call("pause");
  }

  async press(action) {
    this.part.before?.(action);
    try {
      if (action === "start") await this.start();
      else if (action === "pause") await this.pause();
      else if (action === "reset") await this.reset();
      else if (!this.running) await this.run(1);
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // what a Problem says stands in the box
    }
  }

  // Something else was chosen: what is running no longer belongs to it
  async chosen() {
    const wasRunning = this.running;
    try {
      if (this.worker || this.part.always) await this.reset();
      else {
        await this.part.options(this);
        this.tell("");
      }
      if (wasRunning) await this.start();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.explain(error);
    }
  }

  look() {
    if (this.worker && this.running) this.call(document.hidden ? "hold" : "goOn");
  }

  // ---------------------------------------------------------------- what the reader sees

  draw(data) {
    this.shown = data;
    const texts = {
      step: String(data.t),
      loss: Number.isNaN(data.loss) && data.t === 0 ? "–" : data.loss?.toFixed(3),
      iou: data.iou?.toFixed(2),
      rate: data.rate ? String(Math.round(data.rate)) : "–",
    };
    for (const [name, text] of Object.entries(texts)) this.write(name, text);
    this.part.show(this, data);
  }

  write(name, text) {
    const output = this.find(`[data-out="${name}"]`);
    if (output && text !== undefined) output.textContent = text;
  }

  mark() {
    this.element.toggleAttribute("data-running", this.running);
  }

  // For screen readers: only that it began, paused or is done, never each step
  say(word) {
    let text = this.words[word];
    for (const output of this.element.querySelectorAll("[data-out]")) {
      text = text.replace(`{${output.dataset.out}}`, output.textContent);
    }
    this.find(".live-status").textContent = text;
  }

  // A sentence about what cannot be done
  tell(text) {
    const place = this.find(".live-problem");
    place.textContent = text;
    place.hidden = !text;
  }

  explain(error) {
    this.running = false;
    this.mark();
    this.tell(this.words[error instanceof Problem ? error.message : "broken"]);
  }
}

// A whole number that torch.manual_seed and the page's generator read alike
const readSeed = (box) => {
  const text = box.control("seed").value.trim();
  if (!/^\d{1,10}$/.test(text) || Number(text) > 4294967295) throw new Problem("seed");
  return Number(text);
};

// Grey or colours of a small picture, as large as the page has room for
const paint = (canvas, pixels, width, height) => {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  if (pixels.length === image.data.length) image.data.set(pixels);
  else {
    for (let i = 0; i < pixels.length; i++) {
      image.data.fill(pixels[i], 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
};

const MOST = 20000; // losses that a curve keeps

// A line of losses over the steps, from the top (the first loss) down to 0
class Curve {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.points = [];
    this.draw();
  }

  add(points) {
    this.points = this.points.concat(points.filter(([, loss]) => Number.isFinite(loss)));
    if (this.points.length > MOST) this.points = this.points.filter((_, i) => i % 2 === 0);
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    if (points.length < 2) return;
    const context = canvas.getContext("2d");
    const [end] = points[points.length - 1];
    const top = points.reduce((most, [, loss]) => Math.max(most, loss), 0);
    const room = 3 * scale;
    context.strokeStyle = getComputedStyle(canvas).color;
    context.lineWidth = scale;
    context.beginPath();
    const stride = Math.ceil(points.length / (2 * canvas.width)); // more could not be seen
    for (let i = 0; i < points.length; i += stride) {
      const [t, loss] = points[i];
      const down = room + (canvas.height - 2 * room) * (1 - loss / top);
      context.lineTo((canvas.width * t) / end, down);
    }
    context.stroke();
  }
}

// Show every box of a kind, or say that this browser cannot run it
const begin = (name, makePart) => {
  const kernels = Uint8Array.from(atob(REFNET_LIVE.wasm), (letter) => letter.charCodeAt(0));
  const able = window.Worker && window.WebAssembly && WebAssembly.validate(kernels);
  REFNET_LIVE.kernels = kernels;
  for (const element of document.querySelectorAll(`[data-live="${name}"]`)) {
    if (!able) {
      element.querySelector(".live-unable").hidden = false;
      continue;
    }
    element.querySelector(".live-box").hidden = false;
    const box = new Box(element, name, makePart(element));
    element.liveBox = box;
    box.part.ready(box);
  }
};

Object.assign(REFNET_LIVE, { Problem, readSeed, paint, Curve, begin });
