// What the pages do themselves: without JavaScript each still works, but for the search.
(() => {
  // The language switch keeps the heading: its id is the same in both languages
  const keepHeading = () => {
    for (const link of document.querySelectorAll(".lang-switch a")) {
      link.hash = location.hash;
      link.search = location.search; // on the search page, what was searched for
    }
  };
  addEventListener("hashchange", keepHeading);

  // What scrolls sideways can be reached and scrolled with the keyboard
  const SCROLLERS = ".math, pre, .pst-scrollable-table-container, .bd-sidebar-secondary";
  const reachScrollers = () => {
    for (const box of document.querySelectorAll(SCROLLERS)) {
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", reachScrollers);
  addEventListener("load", reachScrollers);

  // Paper is white: dark mode prints in the colours of the light one
  let theme;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = theme;
  });

  // Python's own prompt ends a block at an empty line, so the copy button takes one along. It reads
  // a copy of the code that is not on the page, where hidden text counts; readers do not see it.
  const endBlocks = () => {
    const emptyLine = () => {
      const line = document.createElement("span");
      line.hidden = true;
      line.textContent = "... \n";
      return line;
    };
    for (const code of document.querySelectorAll("div.highlight pre")) {
      let before = "";
      for (const sign of code.querySelectorAll(".gp")) {
        const here = sign.textContent.trim();
        if (before === "..." && here === ">>>") sign.before(emptyLine());
        before = here;
      }
      if (before === "...") code.append(emptyLine());
    }
  };

  addEventListener("DOMContentLoaded", () => {
    keepHeading();
    reachScrollers();
    endBlocks();
    // Read from the file system, the site is the copy for reading offline
    if (location.protocol === "file:") {
      for (const link of document.querySelectorAll(".archive")) link.remove();
    }
    // Sphinx empties its list of results and writes one sentence when it finds none
    const results = document.getElementById("search-results");
    const nothing = document.getElementById("nothing-found");
    if (results && nothing) {
      const tell = () => {
        const finished = results.querySelector(".search-summary")?.textContent.trim();
        nothing.hidden = !finished || results.querySelector("ul.search li") !== null;
      };
      tell();
      new MutationObserver(tell).observe(results, { childList: true, subtree: true });
    }
  });
})();
