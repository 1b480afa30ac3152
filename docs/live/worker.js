// The worker's side of a live part: it trains in slices of time, and between them hears the page.
// A task has begin(options), step(), show() and weights(); its file comes before this one.
const SLICE = 50; // ms
const FAST = { steps: Infinity, wait: 0 };
const training = {
  t: 0, // steps done
  goal: 0,
  pace: FAST,
  from: 0, // the step with which this run began, and the time that it has trained
  trained: 0,
  rate: NaN,
  timer: 0,
  finish: null, // the promise of this run
  losses: [], // of the steps since the last picture
  sinceShown: 0, // time trained since the last picture, and the time that a picture takes
  showing: 0,
};

const show = (over = true) => {
  const before = performance.now();
  const { t, rate, losses } = training;
  postMessage({ show: { ...task.show(), t, rate, losses, over } });
  training.losses = [];
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
    const { pace } = training;
    const end = Math.min(training.goal, training.t + pace.steps);
    const begin = performance.now();
    let now = begin;
    while (training.t < end && now - begin < SLICE) {
      task.step();
      training.t += 1;
      if (task.keepsLosses) training.losses.push([training.t, task.net.loss]);
      now = performance.now();
    }
    training.trained += now - begin;
    const { t, from, trained } = training;
    if (trained > 2) training.rate = (1000 * (t - from)) / trained; // the clock ticks coarsely
    training.sinceShown += now - begin;
    const done = training.t >= training.goal;
    if (done || pace.wait || training.sinceShown > 2 * training.showing) show(done);
    if (done) stop();
    else training.timer = setTimeout(slice, pace.wait);
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
    Object.assign(training, { t: 0, goal: 0, rate: NaN, losses: [] });
    task.begin(options);
    show();
  },
  // A pace says how many steps come between two pictures, for what is too fast to see
  run({ steps, pace = FAST }) {
    stop();
    training.goal = training.t + steps;
    Object.assign(training, { pace, from: training.t, trained: 0 });
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
