// What a search finds beyond pages that hold all its words: pages with another name of the same
// thing (SYNONYMS, from the glossary), and, where there are few, those that hold most of the words.
(() => {
  const perform = Search._performSearch;
  const byAllTerms = Search.performTermsSearch;

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

  Search._performSearch = (query, ...rest) => {
    let results = perform(query, ...rest); // the last one is shown first
    const other = withSynonyms(query.toLowerCase());
    if (other !== query.toLowerCase()) {
      const better = perform(...Search._parseQuery(other)); // in the words of the pages
      results = [...unknown(results, better), ...better];
    }
    if (query.trim().length === 1) {
      // A term of one character stands in many words: what it means comes first
      const isGlossary = ([page]) => page === "reference/glossary";
      results.push(...results.filter(isGlossary).slice(0, 1));
    }
    if (results.length > 2) return results;
    Search.performTermsSearch = byMostTerms;
    const most = perform(query, ...rest);
    Search.performTermsSearch = byAllTerms;
    return [...unknown(most, results), ...results];
  };
})();
