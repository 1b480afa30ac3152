// What a search finds beyond pages that hold all its words, the best of it first:
// - for the name of a function, its entry;
// - for an error message pasted whole, how such a message reads and what its first word means;
// - the page that answers a question with these words (TOPICS, from searches.toml);
// - pages with another name of the same thing (SYNONYMS, from the glossary);
// - where there are few, pages that hold most of the words.
// A result is [page, title, anchor, description, score, file, kind]; the last one is shown first.
(() => {
  const perform = Search._performSearch;
  const byAllTerms = Search.performTermsSearch;
  const stemmer = new Stemmer();
  const isChinese = (word) => /^[\u3400-\u9fff]/.test(word);

  const files = (index, word) => (Object.hasOwn(index, word) ? [index[word]].flat() : []);

  // Each word counts by how few pages have it, and three times in a title
  const byMostTerms = (words) => {
    const { terms, titleterms, docnames, titles, filenames } = Search._index;
    const scores = new Map();
    const counts = new Map();
    for (const word of words) {
      const inTitle = new Set(files(titleterms, word));
      const found = new Set([...files(terms, word), ...inTitle]);
      const rare = Math.log((docnames.length + 1) / (found.size + 1));
      for (const file of found) {
        scores.set(file, (scores.get(file) ?? 0) + rare * (inTitle.has(file) ? 15 : 5));
        counts.set(file, (counts.get(file) ?? 0) + 1);
      }
    }
    const enough = Math.min(2, words.size);
    return [...scores]
      .filter(([file]) => counts.get(file) >= enough)
      .sort(([, one], [, other]) => other - one)
      .slice(0, 10)
      .map(([file, score]) => [docnames[file], titles[file], "", null, score, filenames[file], "text"]);
  };

  const unknown = (results, others) => {
    const known = new Set(others.map(([page]) => page));
    return results.filter(([page]) => !known.has(page));
  };

  const withSynonyms = (query) => {
    let other = query;
    for (const [name, term] of SYNONYMS) {
      if (!other.includes(term)) other = other.replaceAll(name, term);
    }
    return other;
  };

  const withoutQuestion = (query) => {
    const other = QUESTIONS.reduce((text, word) => text.replaceAll(word, " "), query);
    return other.trim() ? other : query;
  };

  // The pages whose topic the query names, the one that it names in the longest words last
  const topicsOf = (query) => {
    const words = new Set(splitQuery(query).map((word) => stemmer.stemWord(word)));
    const isNamed = (part) =>
      isChinese(part) ? query.includes(part) : words.has(stemmer.stemWord(part));
    const weight = (part) => (isChinese(part) ? 3 * part.length : part.length);
    const scores = new Map();
    for (const [topic, page] of TOPICS) {
      const parts = topic.split(" ");
      const score = parts.map(weight).reduce((sum, one) => sum + one);
      if (parts.every(isNamed) && score > (scores.get(page) ?? 0)) scores.set(page, score);
    }
    return [...scores].sort(([, one], [, other]) => one - other).map(([page]) => page);
  };

  const asResult = (page, title = null, anchor = "") => {
    const { docnames, titles, filenames } = Search._index;
    const file = docnames.indexOf(page);
    return file < 0 ? [] : [[page, title ?? titles[file], anchor, null, 0, filenames[file], "title"]];
  };

  // The result of each page that is found already, at its best place, or else the page's beginning
  const resultsOf = (pages, results) =>
    pages.flatMap((page) => {
      const found = results.findLast((result) => result[0] === page);
      return found ? [found] : asResult(page);
    });

  const sectionOnErrors = () => {
    const { alltitles, docnames } = Search._index;
    for (const [title, places] of Object.entries(alltitles)) {
      const place = places.find(([file, id]) => docnames[file] === "start" && id);
      if (place && /error|报错/i.test(title)) return asResult("start", title, `#${place[1]}`);
    }
    return asResult("start");
  };

  // The entry of a function or class whose very name is asked for, as in "refnet.draw_text()"
  const entryOf = (query) => {
    const name = query.trim().toLowerCase().replace(/\(\)$/, "").split(".").pop();
    const all = /^\w+$/.test(name) ? Search.performObjectSearch(name, new Set([name])) : [];
    return all.filter(([, title]) => title.toLowerCase().split(".").pop() === name).slice(0, 1);
  };

  // "Linear(784 -> 10): expected ..., got ...", or the last line of a traceback: `Linear` is the name
  const resultsOfError = (query) => {
    const sentence = /(\S*?)(?:\([^()]*\))?: expected .*\bgot\b/s.exec(query);
    if (!sentence && !/\b[A-Z]\w*(?:Error|Exception|Interrupt)\b:/.test(query)) return [];
    return [...entryOf(sentence?.[1] ?? ""), ...sectionOnErrors()];
  };

  // Put results in front, the last of them first of all, and leave out what they show already
  const inFront = (best, results) => {
    const known = new Set(best.map(([page, , anchor]) => page + anchor));
    const rest = results.filter(([page, , anchor]) => !known.has(page + anchor));
    return [...rest, ...best];
  };

  const found = (query, rest) => {
    let results = perform(query, ...rest);
    const lower = query.toLowerCase();
    const other = withSynonyms(withoutQuestion(lower));
    if (other !== lower) {
      const better = perform(...Search._parseQuery(other)); // in the words of the pages
      results = [...unknown(results, better), ...better];
    }
    if (results.length > 2) return results;
    Search.performTermsSearch = byMostTerms;
    const most = perform(...Search._parseQuery(other));
    Search.performTermsSearch = byAllTerms;
    return [...unknown(most, results), ...results];
  };

  Search._performSearch = (query, ...rest) => {
    let results = found(query, rest);
    if (query.trim().length === 1) {
      // A term of one character stands in many words: what it means comes first
      const isGlossary = ([page]) => page === "reference/glossary";
      results = inFront(results.filter(isGlossary).slice(0, 1), results);
    }
    results = inFront(resultsOf(topicsOf(query.toLowerCase()), results), results);
    results = inFront(entryOf(query).filter(() => /_|\.|\(\)$/.test(query)), results);
    return inFront(resultsOfError(query), results);
  };
})();
