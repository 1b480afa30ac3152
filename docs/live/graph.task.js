// A static graph in the worker: the operations of a trained net, and the value of each.
const task = {
  prepare(module, { predict }, { weights }) {
    this.program = new Runtime(module).load(predict);
    for (const [name, value] of Object.entries(weights)) this.program.set(name, value);
  },

  begin({ x }) {
    this.program.set("x", x);
    this.program.step();
  },

  step() {},

  show() {
    const values = this.program.program.steps.map(([, name]) => Array.from(this.program.get(name)));
    return { values };
  },

  weights() {
    const names = this.program.program.inputs.filter((name) => name !== "x");
    return Object.fromEntries(names.map((name) => [name, Array.from(this.program.get(name))]));
  },
};
