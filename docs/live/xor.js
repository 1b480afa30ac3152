// XOR in the page: the boundary of a net while it learns four points, which can be moved.
const { readSeed, paint, begin } = REFNET_LIVE;
const SIDE = 48;
const FROM = -0.3;
const TO = 1.3;
const MOVE = 0.05; // by one press of an arrow key
const ZERO = [64, 104, 214]; // the colour of class 0, and that of class 1
const ONE = [206, 62, 45];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// From one colour through white to the other
const colourOf = (p) => {
  const [pure, share] = p < 0.5 ? [ZERO, 1 - 2 * p] : [ONE, 2 * p - 1];
  return pure.map((part) => 245 + (part - 245) * 0.75 * share);
};

// Whether the next cell to the right or below is told to be of the other class
const isBoundary = (square, i) => {
  const isLast = i % SIDE === SIDE - 1;
  const right = isLast ? square[i] : square[i + 1];
  const below = square[i + SIDE] ?? square[i];
  const said = square[i] > 0.5;
  return said !== right > 0.5 || said !== below > 0.5;
};

class Xor {
  ready(box) {
    this.canvas = box.find(".live-square");
    this.buttons = [...box.element.querySelectorAll(".live-point")];
    this.home();
    for (const name of ["activation", "width", "seed"]) {
      box.control(name).addEventListener("change", () => box.chosen());
    }
    this.buttons.forEach((button, i) => this.listen(box, button, i));
    this.show(box, { square: new Float32Array(SIDE * SIDE).fill(0.5) });
  }

  home() {
    this.points = [[0, 0], [0, 1], [1, 0], [1, 1]];
    this.labels = [0, 1, 1, 0];
    this.place();
  }

  listen(box, button, i) {
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      this.held = i;
    });
    button.addEventListener("pointermove", (event) => {
      if (this.held !== i) return;
      const { left, top, width, height } = this.canvas.getBoundingClientRect();
      const right = (event.clientX - left) / width;
      const down = (event.clientY - top) / height;
      this.move(box, i, FROM + (TO - FROM) * right, TO - (TO - FROM) * down);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      button.addEventListener(end, () => { this.held = null; });
    }
    button.addEventListener("dblclick", () => this.turn(box, i));
    button.addEventListener("keydown", (event) => {
      const [x, y] = this.points[i];
      if (event.key in ARROWS) {
        const [right, up] = ARROWS[event.key];
        this.move(box, i, x + MOVE * right, y + MOVE * up);
      } else if (event.key === "Enter" || event.key === " ") this.turn(box, i);
      else return;
      event.preventDefault();
    });
  }

  move(box, i, x, y) {
    const inside = (v) => Math.min(Math.max(v, FROM + 0.05), TO - 0.05);
    this.points[i] = [inside(x), inside(y)];
    this.changed(box);
  }

  turn(box, i) {
    this.labels[i] = 1 - this.labels[i];
    this.changed(box);
  }

  async changed(box) {
    this.place();
    if (!box.fresh) return;
    const shown = await box.call("ask", this.batch());
    box.draw({ ...box.shown, ...shown });
  }

  batch() {
    return { points: this.points.flat(), labels: this.labels };
  }

  place() {
    this.buttons.forEach((button, i) => {
      const [x, y] = this.points[i];
      button.style.left = `${(100 * (x - FROM)) / (TO - FROM)}%`;
      button.style.top = `${(100 * (TO - y)) / (TO - FROM)}%`;
      button.dataset.label = this.labels[i];
      const parts = { x: x.toFixed(2), y: y.toFixed(2), label: this.labels[i] };
      const text = button.dataset.name.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
      button.setAttribute("aria-label", text);
    });
  }

  options(box) {
    const width = box.control("width").value;
    const activation = box.control("activation").value;
    const key = width === "0" ? "linear" : `${activation}-${width}`;
    return { key, seed: readSeed(box), ...this.batch() };
  }

  // Reset brings the points home as well; what is chosen anew keeps them
  before(action) {
    if (action === "reset") this.home();
  }

  steps(box) {
    return Number(box.control("steps").value);
  }

  // So few that the eye can follow
  pace(box) {
    return { steps: Math.max(1, Math.round(this.steps(box) / 120)), wait: 25 };
  }

  show(box, { square, right }) {
    const pixels = new Uint8ClampedArray(4 * square.length);
    square.forEach((p, i) => {
      const colour = isBoundary(square, i) ? [30, 30, 30] : colourOf(p);
      pixels.set([...colour, 255], 4 * i);
    });
    paint(this.canvas, pixels, SIDE, SIDE);
    if (right !== undefined) box.write("right", `${right}/4`);
  }
}

begin("xor", () => new Xor());
