// OVERFIT in the worker: random points of the picture with their colours, as refnet.ImagePixels
// draws them, scaled as refnet.Rescale does.
const roundHalfToEven = (v) => {
  const nearest = Math.round(v);
  return nearest - v === 0.5 && nearest % 2 ? nearest - 1 : nearest;
};
const LR = 0.003;

const task = {
  keepsLosses: true,

  prepare(module, programs) {
    this.module = module;
    this.programs = programs;
  },

  begin({ key, range, seed, height, width, labels }) {
    const net = this.programs[key];
    const batch = net.step.shapes.x[0];
    this.net = new Net(this.module, net, seed, LR);
    this.random = torchRandom(seed);
    Object.assign(this, { range, height, width, labels });
    this.std = [(height - 1) / (2 * range), (width - 1) / (2 * range)];
    this.x = new Float32Array(2 * batch);
    this.y = new Int32Array(batch);
  },

  scaled(value, axis) {
    if (this.range === 0) return value;
    const std = this.std[axis];
    return Math.fround(Math.fround(value - Math.fround(this.range * std)) / Math.fround(std));
  },

  draw() {
    const { height, width, x, y } = this;
    for (let i = 0; i < y.length; i++) {
      const up = Math.fround(this.random.rand() * (height - 1));
      const right = Math.fround(this.random.rand() * (width - 1));
      y[i] = this.labels[(height - 1 - roundHalfToEven(up)) * width + roundHalfToEven(right)];
      x[2 * i] = this.scaled(up, 0);
      x[2 * i + 1] = this.scaled(right, 1);
    }
  },

  step() {
    this.draw();
    this.net.train(this.x, this.y);
  },

  // The probability of "letter" at each pixel, and how well its picture covers the letters
  show() {
    const { height, width, labels } = this;
    const picture = new Uint8ClampedArray(height * width);
    let both = 0;
    let either = 0;
    const fill = (i, x, at) => {
      x[at] = this.scaled(height - 1 - Math.floor(i / width), 0);
      x[at + 1] = this.scaled(i % width, 1);
    };
    this.net.predict(height * width, fill, (i, p) => {
      picture[i] = 255 * p[1];
      const said = p[1] > 0.5;
      const isSo = labels[i] === 1;
      both += said && isSo;
      either += said || isSo;
    });
    return { picture, loss: this.net.loss, iou: either ? both / either : 0 };
  },

  weights() {
    return this.net.weights();
  },

  ask() {
    const batch = { x: Array.from(this.x), labels: Array.from(this.y) };
    return batch; // of the last step
  },
};
