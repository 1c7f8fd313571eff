// Forecast: candles and the fan of the next sessions, the verdict beside it, and how past
// fans did. Nothing is drawn that the forecast did not know at its cutoff, save by choice:
// a past fan is shown over the bars that came, to see where it failed.

import { get, part } from "../api.js";
import { sentence } from "../sentences.js";
import { drawChart } from "../fan.js";
import { strip } from "../plot.js";
import { recordCard, verdictCard } from "../verdict.js";
import { card, h, segments, show, state, table } from "../view.js";
import { count, day, percent, price, short, signed, words } from "../words.js";

const BARS = 520;
const SPANS = [[22, "month"], [66, "quarter"], [260, "year"], [BARS, "all"]];

export async function draw([asked], signal) {
  const symbol = asked ?? (await firstSymbol(signal));
  if (symbol === null) return state("empty", words("forecast.no_prices"), words("forecast.no_prices_how"), h("code", "closecast serve --prices PRICES"));
  localStorage.setItem("symbol", symbol);
  const [prices, forecast, history] = await Promise.all([
    get(`prices/${part(symbol)}?limit=${BARS}`, signal).catch((error) => unknown(error)),
    get(`forecasts/${part(symbol)}`, signal).catch((error) => absent(error)),
    get(`history/${part(symbol)}`, signal).catch((error) => absent(error)),
  ]);
  if (prices.nearest) return unknownSymbol(symbol, prices);
  return page(symbol, barsOf(prices), forecast, history, signal);
}

async function firstSymbol(signal) {
  const last = localStorage.getItem("symbol");
  const { symbols } = await get("symbols?limit=1", signal);
  if (!symbols.length) return null;
  if (!last) return symbols[0].symbol;
  const { symbols: same } = await get(`symbols?query=${part(last)}&limit=5`, signal);
  return same.some((one) => one.symbol === last) ? last : symbols[0].symbol;
}

/** A part of the page that is not there, with the sentence that says why. */
function absent(error) {
  if (error.name === "AbortError" || error.offline) throw error;
  return { missing: error.message };
}

function unknown(error) {
  if (error.status !== 404) throw error;
  return { nearest: error.nearest ?? [], missing: error.message };
}

function unknownSymbol(symbol, { nearest, missing }) {
  return state("empty", words("forecast.unknown", { symbol }), nearest.length ? words("forecast.nearest") : missing,
    nearest.map((one) => h("a.button", { href: `#/forecast/${part(one)}` }, one)));
}

const barsOf = ({ dates, open, high, low, close, volume }) =>
  dates.map((date, at) => ({ date, open: open[at], high: high[at], low: low[at], close: close[at], volume: volume[at] }));

function page(symbol, bars, forecast, history, signal) {
  const past = history.missing ? [] : history.forecasts;
  const chart = chartCard(bars, forecast, past, signal);
  return [quote(symbol, bars, forecast),
    h("div.split",
      h("div.stack", chart.card, forecast.missing ? null : aheadCard(forecast)),
      h("aside.stack", forecast.missing ? null : verdictCard(forecast.verdict),
        recordCard(history.missing ? forecast.record : history.record), pastCard(past, chart)))];
}

function quote(symbol, bars, forecast) {
  const [before, last] = [bars.at(-2), bars.at(-1)];
  const change = before ? last.close / before.close - 1 : null;
  return h("div.head", h("div.quote", h("h1", symbol), h("span.price", price(last.close)),
    change !== null && h(change < 0 ? "span.down" : "span.up", `${change < 0 ? "▼" : "▲"} ${signed(change)}`)),
    h("p", words("forecast.close_of", { day: day(last.date, true) }),
      !forecast.missing && ` · ${words(`forecast.${forecast.origin}`)}${forecast.late ? ` · ${words("forecast.late")}` : ""}`));
}

function chartCard(bars, forecast, past, signal) {
  const holder = h("div.chart", { role: "img", "aria-label": words("forecast.chart", { count: bars.length }) });
  const handle = { card: null, chart: null, showPast: () => {} };
  if (forecast.missing) {
    handle.card = card(words("forecast.title"), h("p", words("forecast.none")), h("p.quiet.gap", forecast.missing));
    return handle;
  }
  const whole = () => segments(words("forecast.span"), SPANS.map(([sessions, name]) => [sessions, words(`span.${name}`)]), 66,
    (sessions) => handle.chart?.showLast(sessions));
  const note = h("p.quiet", { role: "status" });
  const band = forecast.steps.every((step) => step.path)
    && segments(words("forecast.band"), [[null, words("band.none")], ...["50", "80", "95"].map((level) => [level, percent(level / 100, 0)])], null,
      (level) => handle.chart?.showBand(level));
  const readout = h("p.readout", { "aria-hidden": "true" }); // the table below says it to all
  const read = (at) => show(readout, readingOf(at === null ? bars.length - 1 : at, bars, forecast));
  read(null);
  handle.showPast = (one) => {
    handle.chart?.showFan(one ?? forecast);
    show(note, one ? words("forecast.past_shown", { day: day(one.cutoff, true) }) : null);
  };
  handle.card = h("section.card", { "aria-label": words("forecast.title") },
    h("div.tools", h("h2", words("forecast.title")), whole()), readout, holder,
    h("ul.key", h("li", h("i.line"), words("key.median")), ["50", "80", "95"].map((level) => h("li", h(`i.b${level}`), words("key.interval", { level }))),
      band && h("li", h("i.band"), words("key.band"))), band && h("div.tools", h("p.quiet", words("forecast.band_note")), band), note);
  // the chart measures its container, which must stand in the page by then
  requestAnimationFrame(() => {
    if (signal.aborted) return;
    handle.chart = drawChart(holder, bars, forecast, read);
    handle.chart.showLast(66);
    signal.addEventListener("abort", () => handle.chart.remove());
  });
  return handle;
}

/** What a session was, or what is forecast of it, on one line. */
function readingOf(at, bars, forecast) {
  const pair = (key, value) => h("span", h("i", words(`bar.${key}`)), value);
  const bar = bars[Math.max(at, 0)];
  if (bar) return [h("b", day(bar.date, true)), ["open", "high", "low", "close"].map((name) => pair(name, price(bar[name]))), pair("volume", short(bar.volume))];
  const ahead = forecast.steps.filter((step) => step.date > bars.at(-1).date);
  const step = ahead[Math.min(at - bars.length, ahead.length - 1)];
  return step && [h("b", day(step.date, true)), h("span", h("i", words("key.median")), price(step.median)),
    ["50", "80", "95"].map((level) => h("span", h("i", percent(level / 100, 0)), range(step.intervals[level])))];
}

const range = ([low, high]) => [h("span", `${price(low)} – `), h("span", price(high))];

function aheadCard(forecast) {
  const title = words("forecast.ahead");
  const rows = forecast.steps.map((step) => [day(step.date), price(step.median), signed(step.median / forecast.last_close - 1),
    range(step.intervals["50"]), range(step.intervals["80"]), range(step.intervals["95"]),
    ...(step.path ? [range(step.path["80"])] : [])]);
  const heads = [words("forecast.session"), words("key.median"), words("forecast.change"), ...["50", "80", "95"].map((level) => percent(level / 100, 0)),
    ...(forecast.steps[0].path ? [words("forecast.band_80")] : [])];
  return card(title, h("div.ranges", table(title, heads, rows)),
    h("p.quiet.gap", words("forecast.made_of", { cutoff: day(forecast.cutoff, true), hash: forecast.data.slice(0, 8), model: forecast.model.hash.slice(0, 8) })),
    forecast.notes.length > 0 && h("ul.quiet", forecast.notes.map((note) => sentence("li", note))));
}

/** Where the last close of each past fan fell in it. */
function pastCard(past, chart) {
  const title = words("past.title");
  const known = past.filter((one) => one.steps.at(-1).close !== null);
  if (!known.length) return card(title, h("p", words("past.none")), h("p.quiet.gap", words("past.none_how")));
  let chosen = null;
  const place = (step) => {
    const [low, high] = step.intervals["80"];
    return (2 * (step.close - step.median)) / (high - low);
  };
  const drawing = h("div");
  const redraw = () => show(drawing, strip(title, known.slice(-120).map((one) => {
    const step = one.steps.at(-1);
    return { place: place(step), label: day(one.cutoff, true), chosen: one === chosen, pick: () => pick(one),
      text: words("past.point", { cutoff: day(one.cutoff, true), close: price(step.close), median: price(step.median) }) };
  })));
  const pick = (one) => {
    chosen = one === chosen ? null : one;
    chart.showPast(chosen);
    redraw();
  };
  const choice = h("select", { "aria-label": words("past.choose"), change: (event) => {
    chosen = null;
    const at = Number(event.target.value);
    if (at >= 0) pick(known[at]);
    else { chart.showPast(null); redraw(); }
  } }, h("option", { value: -1 }, words("past.now")), known.toReversed().map((one) => h("option", { value: known.indexOf(one) }, day(one.cutoff, true))));
  redraw();
  const held = known.filter((one) => Math.abs(place(one.steps.at(-1))) <= 1).length;
  return h("section.card", { "aria-label": title }, h("div.tools", h("h2", title), choice), h("figure", drawing,
    h("figcaption", words("past.caption", { held: count(held), count: known.length }))));
}
