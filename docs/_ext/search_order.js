// The order of search results. The course explains a term where it first uses it, so of two pages
// that are equal otherwise the earlier one comes first; reference pages mention nearly every term.
// A page whose title has the very words searched for comes before all others.
var Scorer = {
  score: ([docname, title, anchor, description, score]) => {
    const place = READING_ORDER.indexOf(docname);
    const early = place < 0 ? 0 : 1 - place / READING_ORDER.length;
    const reference = docname.startsWith("reference/") || docname === "index" ? 11 : 0;
    const query = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    const named = !anchor && query && title.toLowerCase().includes(query) ? 20 : 0;
    return score + early - reference + named;
  },
  objNameMatch: 8,
  objPartialMatch: 2,
  objPrio: { 0: 3, 1: 1, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
