// A filter in the page: its window wanders over a picture and leaves a map of its sums.
const { Problem, paint, begin } = REFNET_LIVE;
const SIDE = 28;
const WINDOW = 3;
const MAP = SIDE - WINDOW + 1;
const FILTERS = {
  upright: [-1, 0, 1, -1, 0, 1, -1, 0, 1],
  level: [1, 1, 1, 0, 0, 0, -1, -1, -1],
  edges: [-1, -1, -1, -1, 8, -1, -1, -1, -1],
  blur: [0.11, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11],
  same: [0, 0, 0, 0, 1, 0, 0, 0, 0],
};

class Filter {
  constructor() {
    this.always = true; // the map of a filter is there at once
  }

  ready(box) {
    this.source = box.find(".live-source");
    this.map = box.find(".live-map");
    this.cells = [...Array(WINDOW * WINDOW).keys()].map((i) => box.control(`w${i}`));
    const bytes = atob(box.source.data.pictures);
    this.pictures = Float32Array.from(bytes, (letter) => letter.charCodeAt(0) / 255);
    box.control("filter").addEventListener("change", ({ target }) => {
      FILTERS[target.value]?.forEach((weight, i) => { this.cells[i].value = weight; });
      this.changed(box);
    });
    for (const cell of this.cells) {
      cell.addEventListener("input", () => {
        box.control("filter").value = "own";
        this.changed(box);
      });
    }
    box.control("picture").addEventListener("change", () => this.changed(box));
    this.map.addEventListener("pointermove", (event) => {
      const { left, top, width, height } = this.map.getBoundingClientRect();
      const column = Math.floor((MAP * (event.clientX - left)) / width);
      const row = Math.floor((MAP * (event.clientY - top)) / height);
      if (!box.running && box.shown) this.see(box, MAP * row + column);
    });
    this.map.addEventListener("pointerleave", () => {
      if (!box.running && box.shown) this.see(box, box.shown.at - 1);
    });
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      if (!box.worker) box.chosen().then(() => box.fresh && this.complete(box));
    });
    watcher.observe(box.element);
  }

  // Without a run: the whole map at once
  complete(box) {
    box.draw({ ...box.shown, at: MAP * MAP });
  }

  async changed(box) {
    try {
      const options = this.options(box);
      box.tell("");
      if (!box.fresh) return;
      const shown = await box.call("ask", options);
      const at = box.running ? shown.at : MAP * MAP;
      box.draw({ ...box.shown, ...shown, at });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      box.explain(error);
    }
  }

  options(box) {
    const filter = this.cells.map(({ value }) => Number(value.trim() === "" ? NaN : value));
    if (!filter.every(Number.isFinite)) throw new Problem("weights");
    const which = Number(box.control("picture").value) * SIDE * SIDE;
    return { picture: this.pictures.slice(which, which + SIDE * SIDE), filter };
  }

  steps() {
    return MAP * MAP;
  }

  isOver(box) {
    return box.shown.t >= this.steps();
  }

  pace() {
    return { steps: 4, wait: 30 };
  }

  show(box, { map, at }) {
    const options = this.options(box);
    const grey = options.picture.map((v) => 255 * v);
    paint(this.source, Uint8ClampedArray.from(grey), SIDE, SIDE);
    const low = Math.min(...map);
    const range = Math.max(...map) - low || 1;
    const pixels = new Uint8ClampedArray(4 * map.length);
    map.forEach((sum, i) => {
      const v = (255 * (sum - low)) / range;
      if (i < at) pixels.set([v, v, v, 255], 4 * i);
    });
    paint(this.map, pixels, MAP, MAP);
    this.sums = map;
    this.see(box, at - 1);
  }

  // The window of one place, and the sum there
  see(box, i) {
    const frame = box.find(".live-window");
    frame.hidden = !(i >= 0 && i < MAP * MAP);
    if (frame.hidden) return;
    frame.style.left = `${(100 * (i % MAP)) / SIDE}%`;
    frame.style.top = `${(100 * Math.floor(i / MAP)) / SIDE}%`;
    box.write("sum", this.sums[i].toFixed(2));
  }
}

begin("filter", () => new Filter());
