// Runs the programs of tracing.py: one array operation after the other, on the kernels.
// A value without axes is a number (float64), any other a float32 array in the kernels' memory.
const PAGE = 65536;
const count = (shape) => shape.reduce((product, n) => product * n, 1);
const isName = (argument) => typeof argument === "string";

const ON_NUMBERS = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  square: (a) => a * a,
  neg: (a) => -a,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
};
const ONE_BY_ONE = ["exp", "log", "cos", "sin", "tanh", "sqrt", "abs", "neg", "square"];
const ALONG_AN_AXIS = ["sum0", "sum1", "max1"];

// Rows and columns: all axes but the last of a value are counted as rows
const asTable = (shape) => {
  const columns = shape.length ? shape[shape.length - 1] : 1;
  return [count(shape) / (columns || 1), columns];
};

class Runtime {
  constructor(module) {
    this.memory = new WebAssembly.Memory({ initial: 16 });
    this.kernels = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports;
    this.end = (this.kernels.heap() + 15) & ~15;
    this.free = new Map(); // from a size to the places of that size which no value needs
  }

  // Memory for n numbers
  take(n) {
    const bytes = (4 * n + 15) & ~15;
    const left = this.free.get(bytes);
    if (left && left.length) return left.pop();
    const place = this.end;
    this.end += bytes;
    const missing = this.end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return place;
  }

  give(place, n) {
    const bytes = (4 * n + 15) & ~15;
    if (!this.free.has(bytes)) this.free.set(bytes, []);
    this.free.get(bytes).push(place);
  }

  load(program) {
    this.free.clear(); // what another program no longer needs, it will write to in its next step
    return new Loaded(this, program);
  }
}

class Loaded {
  constructor(runtime, program) {
    this.runtime = runtime;
    this.kernels = runtime.kernels;
    this.program = program;
    this.shapes = program.shapes;
    this.numbers = {};
    this.places = {};
    this.same = {}; // the value whose numbers a reshaped or transposed one shares
    this.turned = new Set(); // what is read as a transposed array where it stands
    this.run = [];
    this.pair = runtime.take(4); // two numbers on their way into a kernel
    this.last = this.lastUses();
    for (const name of program.inputs) {
      if (!this.isNumber(name)) this.places[name] = runtime.take(count(this.shapes[name]));
    }
    program.steps.forEach((step, i) => this.add(step, i));
    this.carried = Object.entries(program.outputs).filter(([name]) => name in this.places);
  }

  isNumber(name) {
    return !isName(name) || this.shapes[name].length === 0;
  }

  root(name) {
    return name in this.same ? this.root(this.same[name]) : name;
  }

  // The step after which nobody needs what is stored of a value
  lastUses() {
    const { steps, inputs, outputs } = this.program;
    const last = {};
    for (const [operation, result, first] of steps) {
      if (operation === "reshape" || this.isTurned(operation, result)) this.same[result] = first;
    }
    steps.forEach(([, , ...names], i) => {
      for (const name of names) if (isName(name)) last[this.root(name)] = i;
    });
    for (const name of [...inputs, ...Object.values(outputs)]) last[this.root(name)] = Infinity;
    return last;
  }

  // Whether a transposed array is only ever the left side of a product, which can read it so
  isTurned(operation, result) {
    if (operation !== "transpose") return false;
    const { steps, outputs } = this.program;
    const other = ([kind, , ...names]) =>
      names.includes(result) && (kind !== "matmul" || names[1] === result);
    if (steps.some(other) || Object.values(outputs).includes(result)) return false;
    this.turned.add(result);
    return true;
  }

  add([operation, result, ...names], i) {
    const { kernels, places, shapes, run } = this;
    const shape = shapes[result];
    if (result in this.same) {
      places[result] = places[names[0]];
    } else if (shape.length === 0) {
      run.push(this.onNumbers(operation, result, names));
    } else {
      places[result] = this.runtime.take(count(shape));
      run.push(this.onArrays(operation, result, names));
    }
    for (const name of new Set(names.filter(isName).map((name) => this.root(name)))) {
      if (!this.isNumber(name) && this.last[name] === i) {
        this.runtime.give(places[name], count(shapes[name]));
      }
    }
  }

  value(argument) {
    return isName(argument) ? this.numbers[argument] : argument;
  }

  onNumbers(operation, result, names) {
    if (operation === "sum") {
      const place = this.places[names[0]];
      const n = count(this.shapes[names[0]]);
      return () => { this.numbers[result] = this.kernels.sum(place, n); };
    }
    const f = ON_NUMBERS[operation];
    const [a, b] = names;
    return () => { this.numbers[result] = f(this.value(a), this.value(b)); };
  }

  onArrays(operation, result, names) {
    const { kernels, places, shapes } = this;
    const [a, b, c] = names.map((name) => places[name]);
    const out = places[result];
    const [M, N] = asTable(shapes[result]);
    if (operation === "matmul") {
      const K = shapes[names[1]][0];
      const steps = this.turned.has(names[0]) ? [1, M] : [K, 1];
      return () => kernels.matmul(a, ...steps, b, out, M, N, K);
    }
    if (operation === "transpose") return () => kernels.transpose(a, out, N, M);
    if (operation === "windows") {
      const sides = [...shapes[names[0]].slice(-2), ...names.slice(1)];
      return () => kernels.windows(a, out, ...sides);
    }
    if (operation === "join") {
      const widths = names.map((name) => shapes[name][1]);
      return () => kernels.join(a, b, out, M, ...widths);
    }
    if (operation === "put") return () => kernels.put(a, b, c, out, M, N);
    if (operation === "pick") return () => kernels.pick(a, b, out, ...shapes[names[0]]);
    if (ALONG_AN_AXIS.includes(operation)) {
      const f = kernels[operation];
      const table = asTable(shapes[names[0]]);
      return () => f(a, out, ...table);
    }
    if (ONE_BY_ONE.includes(operation)) {
      const f = kernels[`${operation}_`];
      return () => f(a, out, M * N);
    }
    return this.onPairs(operation, result, names);
  }

  // A number, a row or a column is repeated until it fits the result
  onPairs(operation, result, names) {
    const { kernels, pair } = this;
    const f = kernels[operation];
    const out = this.places[result];
    let [M, N] = asTable(this.shapes[result]);
    const [a, b] = names.map((name) => this.operand(name, M, N));
    if (a.whole && b.whole) [M, N] = [1, M * N];
    return () => {
      if (a.number !== undefined) this.all[pair >> 2] = this.value(a.number);
      if (b.number !== undefined) this.all[(pair >> 2) + 1] = this.value(b.number);
      f(a.place ?? pair, a.row, a.column, b.place ?? pair + 4, b.row, b.column, out, M, N);
    };
  }

  operand(name, M, N) {
    if (this.isNumber(name)) return { number: name, row: 0, column: 0, whole: true };
    const place = this.places[name];
    if (count(this.shapes[name]) === 1) return { place, row: 0, column: 0, whole: true };
    const [rows, columns] = asTable(this.shapes[name]);
    if (rows === M && columns === N) return { place, row: N, column: 1, whole: true };
    const row = rows === 1 ? 0 : columns;
    const column = columns === 1 ? 0 : 1;
    return { place, row, column, whole: false };
  }

  view(name, Type = Float32Array) {
    return new Type(this.runtime.memory.buffer, this.places[name], count(this.shapes[name]));
  }

  set(name, value) {
    if (this.isNumber(name)) this.numbers[name] = value;
    else this.view(name, name === "labels" ? Int32Array : Float32Array).set(value);
  }

  // An input as it is now, or an output
  get(name) {
    const known = this.program.inputs.includes(name) ? name : this.program.outputs[name];
    return this.isNumber(known) ? this.numbers[known] : this.view(known);
  }

  // All operations once; what is both input and output becomes the input of the next step
  step() {
    this.all = new Float32Array(this.runtime.memory.buffer);
    for (const operation of this.run) operation();
    for (const [name, result] of this.carried) {
      const from = this.places[result] >> 2;
      const to = this.places[name] >> 2;
      this.all.copyWithin(to, from, from + count(this.shapes[name]));
    }
  }
}
