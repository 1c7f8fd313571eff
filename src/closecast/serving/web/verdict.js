// What is known of a model's worth, in the same size of type whether it flatters or not.

import { sentence } from "./sentences.js";
import { h } from "./view.js";
import { count, day, hasWords, percent, signed, words } from "./words.js";

const kindOf = (verdict) => {
  if (verdict.suspicious) return "section.card.finding.alarm";
  return /(^|[;:.] )evidence of skill/i.test(verdict.text) ? "section.card.finding.skill" : "section.card.finding";
};

/** A verdict, clause by clause, in the reader's language; in English where there are no words for one. */
export const clauses = (text) => text.split(/; |(?<=corrected for that): |(?<=leak first)\. /).map((one) => h("span", clause(one)));

function clause(text) {
  const plain = text.trim().replace(/\.$/, "");
  const best = /^best of (\d+) models/i.exec(plain);
  if (best) return words("verdict.best_of", { count: Number(best[1]) });
  const key = `verdict.${plain.toLowerCase()}`;
  return hasWords(key) ? words(key) : plain;
}

/** The verdict with its reasons; `verdict` is null for a model that was not judged. */
export function verdictCard(verdict) {
  const title = words("verdict.title");
  if (!verdict) return h("section.card.finding", { "aria-label": title }, h("h2", title), h("p.verdict", words("verdict.none")), h("p.quiet.gap", words("verdict.none_why")));
  return h(kindOf(verdict), { "aria-label": title }, h("h2", title),
    h("p.verdict", clauses(verdict.text)),
    h("p.quiet.gap", words("verdict.basis")),
    h("details", h("summary", words("verdict.why")), h("ul", verdict.why.map((reason) => sentence("li", reason)))));
}

const TONES = { "go on": "good", watch: "watch", retrain: "watch", stop: "bad" };

/** The record of forecasts that were published before their truth existed. */
export function recordCard(record) {
  const title = words("record.title");
  if (!record || !record.forecasts)
    return h("section.card", { "aria-label": title }, h("h2", title), h("p", words("record.none")), h("p.quiet.gap", words("record.none_how")));
  const figure = (name, value, note) => h("div", h("dt", name, note && h("small", note)), h("dd", value));
  const inside = (level) => figure(words("record.inside", { level }), percent(record.coverage[level]));
  return h("section.card", { "aria-label": title }, h("div.tools", h("h2", title), record.advice && h(`span.badge.${TONES[record.advice]}`, words(`advice.${record.advice}`))),
    h("dl.figures",
      figure(words("record.forecasts"), count(record.forecasts), record.first && words("record.since", { day: day(record.first, true) })),
      figure(words("record.scored"), count(record.scored)),
      record.scored > 0 && [inside("80"), inside("95"), Object.entries(record.skill).map(([name, value]) =>
        figure(words("record.skill", { baseline: words(`models.${name}`) }), signed(value)))]),
    record.why.length > 0 && h("ul.quiet.gap", record.why.map((reason) => sentence("li", reason))));
}
