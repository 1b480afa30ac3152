// A net of the course in the worker: torch's start values, steps of training, probabilities.
const startValue = (kind, shape, random) => {
  const n = count(shape);
  if ("normal" in kind) {
    const columns = shape[1]; // each row has a spread of its own
    return random.normal(n).map((v, i) => v * kind.normal[Math.floor(i / columns)]);
  }
  const value = new Float32Array(n);
  if ("fill" in kind) return value.fill(kind.fill);
  return value.map(() => random.uniform(-kind.uniform, kind.uniform));
};

const startValues = (kinds, shapes, seed) => {
  const random = torchRandom(seed);
  const values = {};
  for (const [name, kind] of Object.entries(kinds)) {
    values[name] = startValue(kind, shapes[name], random);
  }
  return values;
};

class Net {
  constructor(module, net, seed, lr) {
    const runtime = new Runtime(module);
    this.kinds = net.start;
    this.trained = runtime.load(net.step);
    this.asked = runtime.load(net.predict);
    this.rows = net.predict.shapes.x[0];
    this.features = net.predict.shapes.x[1];
    this.lr = lr;
    this.t = 0;
    for (const name of net.step.inputs) {
      if (!this.trained.isNumber(name)) this.trained.view(name).fill(0);
    }
    const values = startValues(net.start, net.step.shapes, seed);
    for (const [name, value] of Object.entries(values)) this.trained.set(name, value);
  }

  // One step on a batch of rows x
  train(x, labels) {
    this.t += 1;
    const values = { x, labels, lr: this.lr, t: this.t };
    for (const [name, value] of Object.entries(values)) {
      if (this.trained.program.inputs.includes(name)) this.trained.set(name, value);
    }
    this.trained.step();
  }

  get loss() {
    return this.t ? this.trained.get("loss") : NaN;
  }

  // Call see(i, p) for the rows 0 to n - 1: fill(i, x, at) writes row i into x
  predict(n, fill, see) {
    for (const name of Object.keys(this.kinds)) this.asked.set(name, this.trained.get(name).slice());
    const x = new Float32Array(this.rows * this.features);
    for (let from = 0; from < n; from += this.rows) {
      const many = Math.min(this.rows, n - from);
      for (let i = 0; i < many; i++) fill(from + i, x, i * this.features);
      this.asked.set("x", x);
      this.asked.step();
      const p = this.asked.get("p");
      const classes = p.length / this.rows;
      for (let i = 0; i < many; i++) see(from + i, p.subarray(i * classes, (i + 1) * classes));
    }
  }

  // The state_dict of the model: names and values, row by row
  weights() {
    const values = {};
    for (const name of Object.keys(this.kinds)) {
      values[name] = Array.from(this.trained.get(name));
      if (name.endsWith("running_var")) values[name.replace("running_var", "num_batches_tracked")] = [this.t];
    }
    return values;
  }
}
