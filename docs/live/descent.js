// Gradient descent in the page: a ball that takes steps down a valley, as long as the learning
// rate makes them.
const { begin } = REFNET_LIVE;
const FROM = -3;
const TO = 5;
const START = -2;
const STEPS = 30;

class Descent {
  constructor() {
    this.always = true; // the valley comes from the worker: it takes a moment, once
  }

  ready(box) {
    this.canvas = box.find(".live-valley");
    const lr = box.control("lr");
    lr.addEventListener("input", () => this.write(box));
    lr.addEventListener("change", () => {
      if (box.fresh) box.call("ask", { lr: this.lr(box) });
    });
    this.write(box);
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (!box.worker) box.chosen();
    });
    watcher.observe(box.element);
    new ResizeObserver(() => this.data && this.paint()).observe(this.canvas);
  }

  // The slider runs from 0.01 to 1.26 in equal ratios
  lr(box) {
    const exact = 10 ** (Number(box.control("lr").value) / 50);
    return Number(exact.toPrecision(2));
  }

  write(box) {
    box.write("lr", String(this.lr(box)));
    box.control("lr").setAttribute("aria-valuetext", String(this.lr(box)));
  }

  options(box) {
    return { w: START, lr: this.lr(box) };
  }

  steps() {
    return STEPS;
  }

  isOver(box) {
    return box.shown.t >= STEPS;
  }

  pace() {
    return { steps: 1, wait: 180 };
  }

  // What the loss says about the learning rate
  verdict({ trail, loss, t }, first) {
    if (loss > first) return "out";
    if (t < STEPS) return null;
    const [before, last, now] = trail.slice(-3).map(([w]) => w);
    if ((now - last) * (last - before) < 0 && Math.abs(now - last) > 0.1) return "zigzag";
    return loss < 0.01 * first ? "there" : "slow";
  }

  show(box, data) {
    this.data = data;
    if (data.t === 0) this.first = data.loss;
    box.write("w", data.w.toFixed(2));
    const word = this.verdict(data, this.first);
    box.find(".live-verdict").textContent = word ? box.words[word] : "";
    this.paint();
  }

  paint() {
    const { canvas } = this;
    const { trail, valley } = this.data;
    const scale = window.devicePixelRatio || 1;
    const width = (canvas.width = canvas.clientWidth * scale);
    const height = (canvas.height = canvas.clientHeight * scale);
    const context = canvas.getContext("2d");
    const top = Math.max(...valley.map(([, loss]) => loss));
    const place = ([w, loss]) => [
      (width * (w - FROM)) / (TO - FROM),
      height - 12 * scale - ((height - 24 * scale) * loss) / top,
    ];
    const line = (points) => {
      context.beginPath();
      for (const point of points) context.lineTo(...place(point));
      context.stroke();
    };
    const style = getComputedStyle(canvas);
    context.strokeStyle = style.color;
    context.lineWidth = 2 * scale;
    line(valley);
    context.strokeStyle = style.borderBottomColor;
    context.fillStyle = style.borderBottomColor;
    context.lineWidth = scale;
    line(trail);
    trail.forEach((point, i) => {
      context.beginPath();
      const radius = i === trail.length - 1 ? 9 : 3;
      context.arc(...place(point), radius * scale, 0, 2 * Math.PI);
      context.fill();
    });
  }
}

begin("descent", () => new Descent());
