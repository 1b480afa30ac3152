// Digits and clothes in the worker: batches in the order of refnet.RandomSampler, mistakes, and
// the ten probabilities of one picture.
const LR = 0.01;
const PIXELS = 784;
const MISTAKES = 12;

// numpy.random.SeedSequence((seed, epoch)): O'Neill, "Developing a seed_seq Alternative", 2015
const mixedSeed = (seed, epoch) => {
  const mixer = (constant, factor) => (value) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, factor);
    const product = Math.imul(mixed, constant);
    return product ^ (product >>> 16);
  };
  const hash = mixer(0x43b0d7e5, 0x931e8875);
  const pool = [seed, epoch, 0, 0].map(hash);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const both = Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hash(pool[from]));
      pool[to] = both ^ (both >>> 16);
    }
  }
  const draw = mixer(0x8b51f9dd, 0x58f38ded);
  const low = draw(pool[0]) >>> 0;
  const high = draw(pool[1]) >>> 0;
  return ((low >>> 1) | (high << 31)) >>> 0; // of 63 bits the 32 that seed the generator
};

const task = {
  keepsLosses: true,

  prepare(module, programs) {
    this.module = module;
    this.programs = programs;
  },

  begin({ key, seed, samples }) {
    const net = this.programs[key];
    this.net = new Net(this.module, net, seed, LR);
    this.batch = net.step.shapes.x[0];
    this.seed = seed;
    this.samples = samples;
    this.epoch = 0;
    this.order = null;
    this.drawn ??= null;
    this.x = new Float32Array(this.batch * PIXELS);
    this.y = new Int32Array(this.batch);
  },

  normalized(byte) {
    const { mean, std } = this.samples;
    return Math.fround(Math.fround(byte - mean) / std);
  },

  fill(images, i, x, at) {
    for (let j = 0; j < PIXELS; j++) x[at + j] = this.normalized(images[i * PIXELS + j]);
  },

  step() {
    const { images, labels } = this.samples.train;
    if (!this.order || this.next + this.batch > labels.length) {
      this.order = torchRandom(mixedSeed(this.seed, this.epoch)).permutation(labels.length);
      this.epoch += 1;
      this.next = 0;
    }
    for (let i = 0; i < this.batch; i++) {
      const sample = this.order[this.next + i];
      this.fill(images, sample, this.x, i * PIXELS);
      this.y[i] = labels[sample];
    }
    this.next += this.batch;
    this.net.train(this.x, this.y);
  },

  show() {
    const { images, labels } = this.samples.test;
    const mistakes = [];
    let right = 0;
    const fill = (i, x, at) => this.fill(images, i, x, at);
    this.net.predict(labels.length, fill, (i, p) => {
      const said = p.indexOf(Math.max(...p));
      right += said === labels[i];
      if (said !== labels[i] && mistakes.length < MISTAKES) {
        const image = images.slice(i * PIXELS, (i + 1) * PIXELS);
        mistakes.push({ image, said, label: labels[i] });
      }
    });
    const { loss } = this.net;
    const { epoch } = this;
    return { loss, epoch, accuracy: right / labels.length, mistakes, p: this.judge() };
  },

  // The probabilities of the picture that the reader has drawn or chosen
  judge() {
    if (!this.drawn) return null;
    let found;
    const fill = (i, x, at) => this.fill(this.drawn, 0, x, at);
    this.net.predict(1, fill, (i, p) => { found = Array.from(p); });
    return found;
  },

  ask({ image }) {
    this.drawn = image;
    return { p: this.judge() };
  },

  weights() {
    return this.net.weights();
  },
};
