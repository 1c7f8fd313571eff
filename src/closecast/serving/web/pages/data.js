// Data: how fresh the prices are, and what the doctor found in them.

import { get, part } from "../api.js";
import { sentence } from "../sentences.js";
import { card, h, segments, show, table } from "../view.js";
import { count, day, moment, words } from "../words.js";

const SHOWN = 200;
const MOST_BEHIND = 260; // the server counts no further

const kindOf = (kind) => kind.replaceAll("_", " ");

export async function draw(_rest, signal) {
  const doctor = await get("doctor", signal);
  const stale = doctor.freshness.filter((one) => one.stale);
  return [
    h("div.head", h("h1", words("rooms.data")), h("p", words("data.head", { count: count(doctor.freshness.length), hash: doctor.data.slice(0, 8), moment: moment(doctor.checked_at) }))),
    h("div.stack", summary(doctor, stale), findingsCard(doctor), freshnessCard(doctor.freshness)),
  ];
}

function summary(doctor, stale) {
  const errors = doctor.findings.filter((one) => one.severity === "error").length;
  const figure = (name, value, tone) => h("div", h("dt", words(name)), h(tone ? `dd.${tone}` : "dd", count(value)));
  return card(words("data.glance"), h("dl.figures", figure("data.symbols", doctor.freshness.length), figure("data.stale", stale.length, stale.length ? "watch" : "good"),
    figure("data.errors", errors, errors ? "bad" : "good"), figure("data.warnings", doctor.findings.length - errors)));
}

function findingsCard(doctor) {
  const title = words("data.findings");
  if (!doctor.findings.length) return card(title, h("p", words("data.healthy")));
  const kinds = Object.keys(doctor.counts);
  const list = h("div");
  const redraw = (kind) => {
    const chosen = doctor.findings.filter((one) => kind === null || one.kind === kind);
    show(list, h("div.texts", table(title, [words("data.symbol"), words("data.when"), words("data.what"), words("data.training")], chosen.slice(0, SHOWN).map((one) => [
      one.symbol ? h("a", { href: `#/forecast/${part(one.symbol)}` }, one.symbol) : "–", one.date ? `${day(one.date, true)}${one.until ? ` – ${day(one.until, true)}` : ""}` : "–",
      h("div", sentence(one.severity === "error" ? "b.bad" : "b", kindOf(one.kind)), h("br"), sentence("span", one.what), " ", sentence("span.quiet", one.remedy)), sentence("span", one.training)]))),
    chosen.length > SHOWN && h("p.quiet.gap", words("data.more", { count: count(chosen.length - SHOWN) })));
  };
  redraw(null);
  return h("section.card", { "aria-label": title }, h("div.tools", h("h2", title),
    kinds.length > 1 && segments(words("data.kinds"), [[null, words("data.all")], ...kinds.map((kind) => [kind, [sentence("span", kindOf(kind)), ` ${count(doctor.counts[kind])}`]])], null, redraw)), list);
}

function freshnessCard(freshness) {
  const title = words("data.freshness");
  return card(title, table(title, [words("data.symbol"), words("data.last"), words("data.behind"), words("data.state")], freshness.slice(0, SHOWN).map((one) => [
    h("a", { href: `#/forecast/${part(one.symbol)}` }, one.symbol), day(one.last, true), one.behind >= MOST_BEHIND ? `${count(one.behind)}+` : count(one.behind),
    one.stale ? h("span.badge.watch", words("data.is_stale")) : h("span.badge.good", words("data.is_fresh"))])),
  freshness.length > SHOWN && h("p.quiet.gap", words("data.more", { count: count(freshness.length - SHOWN) })));
}
