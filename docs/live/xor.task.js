// XOR in the worker: four points and their classes, all of them in each step, as on its page.
const LR = 0.5; // with momentum 0.9
const SIDE = 48; // cells of the square along each axis
const FROM = -0.3;
const TO = 1.3;

const task = {
  prepare(module, programs) {
    this.module = module;
    this.programs = programs;
  },

  begin({ key, seed, points, labels }) {
    this.net = new Net(this.module, this.programs[key], seed, LR);
    this.ask({ points, labels });
  },

  // Points may move while the net learns them
  ask({ points, labels }) {
    this.points = Float32Array.from(points);
    this.labels = Int32Array.from(labels);
    return this.show();
  },

  step() {
    this.net.train(this.points, this.labels);
  },

  // The probability of class 1 over the square, and how many of the points are told right
  show() {
    const square = new Float32Array(SIDE * SIDE);
    let right = 0;
    const fill = (i, x, at) => {
      const cell = i - 4;
      x[at] = i < 4 ? this.points[2 * i] : FROM + ((TO - FROM) * ((cell % SIDE) + 0.5)) / SIDE;
      const down = (Math.floor(cell / SIDE) + 0.5) / SIDE;
      x[at + 1] = i < 4 ? this.points[2 * i + 1] : TO - (TO - FROM) * down;
    };
    this.net.predict(4 + SIDE * SIDE, fill, (i, p) => {
      if (i < 4) right += p[1] > p[0] === (this.labels[i] === 1);
      else square[i - 4] = p[1];
    });
    return { square, right, loss: this.net.loss };
  },

  weights() {
    return this.net.weights();
  },
};
