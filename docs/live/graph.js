// A static graph in the page: two inputs to move, and what each operation makes of them.
const { begin } = REFNET_LIVE;
const SHOWN = 4; // numbers of a value

class Graph {
  constructor() {
    this.always = true;
  }

  ready(box) {
    this.rows = [...box.element.querySelectorAll("[data-value]")];
    for (const name of ["x1", "x2"]) {
      box.control(name).addEventListener("input", () => this.ask(box));
    }
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      this.ask(box);
    });
    watcher.observe(box.element);
  }

  // One question at a time: while one is on its way, only the latest inputs wait
  async ask(box) {
    this.waiting = true;
    if (this.asking) return;
    this.asking = true;
    while (this.waiting) {
      this.waiting = false;
      await box.chosen();
    }
    this.asking = false;
  }

  options(box) {
    const x = ["x1", "x2"].map((name) => Number(box.control(name).value));
    box.write("x1", x[0].toFixed(2));
    box.write("x2", x[1].toFixed(2));
    return { x };
  }

  show(box, { values }) {
    values.forEach((value, i) => {
      const digits = value.slice(0, SHOWN).map((v) => v.toFixed(2).replace("-", "−"));
      this.rows[i].textContent = digits.join("  ") + (value.length > SHOWN ? " …" : "");
    });
    box.write("p", values[values.length - 1][1].toFixed(3));
  }
}

begin("graph", () => new Graph());
