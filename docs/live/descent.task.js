// Gradient descent in the worker: the loss of a line through 0 with one slope w, a valley.
const FROM = -3;
const TO = 5;
const PLACES = 161;

const task = {
  prepare(module, { step }, data) {
    const runtime = new Runtime(module);
    this.down = runtime.load(step);
    this.asked = runtime.load(step);
    this.valley = [];
    for (const program of [this.down, this.asked]) {
      program.set("x", data.x);
      program.set("target", data.target);
      program.set("b", [0]);
    }
    for (let i = 0; i < PLACES; i++) {
      const w = FROM + ((TO - FROM) * i) / (PLACES - 1);
      this.valley.push([w, this.lossAt(w)]);
    }
  },

  lossAt(w) {
    this.asked.set("lr", 0);
    this.asked.set("W", [w]);
    this.asked.step();
    return this.asked.get("loss");
  },

  begin({ w, lr }) {
    this.down.set("W", [w]);
    this.ask({ lr });
    this.trail = [w];
  },

  ask({ lr }) {
    this.down.set("lr", lr);
  },

  step() {
    this.down.step();
    this.trail.push(this.down.get("W")[0]);
  },

  show() {
    const trail = this.trail.slice(-40).map((w) => [w, this.lossAt(w)]);
    const [w, loss] = trail[trail.length - 1];
    return { w, loss, trail, valley: this.valley };
  },

  weights() {
    return { weight: Array.from(this.down.get("W")) };
  },
};
