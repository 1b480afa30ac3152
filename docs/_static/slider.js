// The slider: one control moves the frames of all nets; what it shows stands in the page itself.
(() => {
  for (const training of document.querySelectorAll(".training")) {
    const control = training.querySelector(".training-control");
    const [range, output] = control.querySelectorAll("input, output");
    const steps = JSON.parse(training.dataset.steps);
    const frames = training.querySelectorAll(".training-frame");
    const overlaps = training.querySelectorAll("[data-iou]");
    const show = () => {
      const now = Number(range.value);
      output.textContent = steps[now];
      range.setAttribute("aria-valuetext", steps[now]);
      for (const frame of frames) {
        frame.style.backgroundPositionY = `${(100 * now) / (steps.length - 1)}%`;
      }
      for (const overlap of overlaps) {
        overlap.textContent = `IoU ${JSON.parse(overlap.dataset.iou)[now].toFixed(2)}`;
      }
    };
    range.addEventListener("input", show);
    control.hidden = false;
    show();
  }
})();
