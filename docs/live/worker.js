// The worker's side of a live part: it trains in slices of time, and between them hears the page.
// A task has begin(options), step(), show() and weights(); its file comes before this one.
const SLICE = 50; // ms
const training = { t: 0, goal: 0, rate: NaN, timer: 0, finish: null, sinceShown: 0, showing: 0 };

const show = () => {
  const before = performance.now();
  postMessage({ show: { ...task.show(), t: training.t, rate: training.rate } });
  training.showing = performance.now() - before;
  training.sinceShown = 0;
};

// The promise of the run that goes on is kept: it has come as far as it will
const stop = () => {
  clearTimeout(training.timer);
  training.finish?.resolve(training.t);
  training.finish = null;
};

const slice = () => {
  try {
    const from = training.t;
    const begin = performance.now();
    let now = begin;
    while (training.t < training.goal && now - begin < SLICE) {
      task.step();
      training.t += 1;
      now = performance.now();
    }
    training.rate = (1000 * (training.t - from)) / Math.max(now - begin, 0.001);
    training.sinceShown += now - begin;
    const done = training.t >= training.goal;
    if (done || training.sinceShown > 2 * training.showing) show();
    if (done) stop();
    else training.timer = setTimeout(slice);
  } catch (error) {
    training.finish?.reject(error);
    training.finish = null;
  }
};

const calls = {
  begin({ wasm, programs, data }) {
    task.prepare(new WebAssembly.Module(wasm), programs, data);
  },
  reset(options) {
    stop();
    Object.assign(training, { t: 0, goal: 0, rate: NaN });
    task.begin(options);
    show();
  },
  run(steps) {
    stop();
    training.goal = training.t + steps;
    return new Promise((resolve, reject) => {
      training.finish = { resolve, reject };
      slice();
    });
  },
  pause() {
    stop();
    if (training.t) show();
  },
  hold: () => clearTimeout(training.timer), // nobody looks; the run is not over
  goOn() {
    if (training.finish) slice();
  },
  weights: () => task.weights(),
  ask: (question) => task.ask(question),
};

const kindOf = (error) => {
  if (error instanceof RangeError) return "memory";
  return error instanceof WebAssembly.CompileError ? "unable" : "broken";
};

onmessage = async ({ data: { id, call, argument } }) => {
  try {
    const result = await calls[call](argument);
    postMessage({ id, result });
  } catch (error) {
    postMessage({ id, problem: kindOf(error), message: String(error) });
  }
};
