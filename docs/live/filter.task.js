// One filter of a convolution in the worker: a step moves its window on by one pixel.
const task = {
  prepare(module, { convolve }) {
    this.program = new Runtime(module).load(convolve);
    this.size = this.program.get("y").length;
  },

  begin({ picture, filter }) {
    this.at = 0;
    this.ask({ picture, filter });
  },

  ask({ picture, filter }) {
    this.picture = picture;
    this.filter = filter;
    this.program.set("x", picture);
    this.program.set("W", filter);
    this.program.set("b", [0]);
    this.program.step();
    return this.show();
  },

  step() {
    this.at = Math.min(this.at + 1, this.size);
  },

  show() {
    return { map: this.program.get("y").slice(), at: this.at };
  },

  weights() {
    return { weight: Array.from(this.filter), bias: [0] };
  },
};
