// Experiments: the runs of this machine; one of them from the inside, live while it trains; two compared.

import { follow, get, part } from "../api.js";
import { sentence } from "../sentences.js";
import { traces } from "../plot.js";
import { clauses } from "../verdict.js";
import { card, h, segments, show, state, table } from "../view.js";
import { count, duration, figures, fixed, moment, percent, significant, words } from "../words.js";

const MOST_CURVES = 12;

export async function draw([id, other], signal) {
  if (id && other) return compare(id, other, signal);
  return id ? one(id, signal) : all(signal);
}

async function all(signal) {
  const { runs } = await get("runs", signal);
  if (!runs.length) return state("empty", words("runs.none"), words("runs.none_how"), h("code", "closecast sweep GRID.toml PRICES --out RUN"));
  const chosen = new Set();
  const button = h("button.button", { type: "button", disabled: true, click: () => { location.hash = `#/experiments/${[...chosen].map(part).join("/")}`; } }, words("runs.compare"));
  const tick = (run) => h("input", { type: "checkbox", "aria-label": words("runs.choose", { name: run.name }), change: (event) => {
    if (event.target.checked) chosen.add(run.id); else chosen.delete(run.id);
    button.disabled = chosen.size !== 2;
  } });
  const title = words("rooms.experiments");
  const rows = runs.map((run) => [h("a", { href: `#/experiments/${part(run.id)}` }, run.name), stateBadge(run), moment(run.started), `${count(run.done)} / ${count(run.members)}`, tick(run)]);
  return [h("div.head", h("h1", title), h("p", words("runs.head"))),
    h("section.card.list", { "aria-label": title }, h("div.tools", h("h2", words("runs.list")), button),
      table(title, [words("runs.name"), words("runs.state"), words("runs.started"), words("runs.members"), words("runs.pick")], rows))];
}

function stateBadge(run) {
  if (run.running) return h("span.badge.watch", words("runs.running"));
  return h(run.state === "done" ? "span.badge.good" : "span.badge.quiet", words(`runs.${run.state}`));
}

async function one(id, signal) {
  const [run, { curves }] = await Promise.all([get(`runs/${part(id)}`, signal), get(`runs/${part(id)}/curves`, signal)]);
  const live = h("div.stack.live");
  const page = [h("div.head", h("h1", run.name), stateBadge(run), h("p", moment(run.started))), live,
    h("div.split", h("div.stack", heatCard(run), curvesCard(run, curves)), h("aside.stack", winnerCard(run), settingsCard(run)))];
  if (run.running) followRun(id, live, signal);
  return page;
}

function followRun(id, live, signal) {
  const stop = follow(`runs/${part(id)}/events`, ({ done, members, progress }) => {
    const now = progress?.running;
    show(live, card(words("runs.live"), h("progress", { max: members, value: done + (now ? now.epoch / now.epochs : 0), "aria-label": words("runs.live") }),
      h("dl.figures.gap", h("div", h("dt", words("runs.members")), h("dd", `${count(done)} / ${count(members)}`)),
        h("div", h("dt", words("runs.rate")), h("dd", count(progress?.windows_per_s))),
        h("div", h("dt", words("runs.left")), h("dd", duration(progress?.left_s))),
        now && [h("div", h("dt", words("runs.epoch")), h("dd", `${count(now.epoch)} / ${count(now.epochs)}`)),
          h("div", h("dt", words("runs.loss_now")), h("dd", fixed(now.validation_loss, 4)))]),
      now && h("p.quiet.gap", words("runs.now", { name: spaced(now.member) }))));
  }, () => dispatchEvent(new HashChangeEvent("hashchange")));
  signal.addEventListener("abort", stop);
}

/** A member's name, which may break after a setting and nowhere else. */
const spaced = (name) => name.replaceAll(",", ", ");

const written = (value) => (typeof value === "number" ? figures(value, 3) : String(value));

/** Mean validation loss by two settings; with more than two, the best over the others. */
function heatCard(run) {
  const title = words("runs.heat");
  const axes = Object.keys(run.axes);
  if (!axes.length || !run.combinations.length) return card(title, h("p", words("runs.no_results")));
  const known = run.combinations.map((one) => one.mean_loss).filter((loss) => loss !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const grid = h("div");
  const redraw = (down, across) => {
    const best = (row, column) => run.combinations.filter((one) => one.values[down] === row && (across === null || one.values[across] === column))
      .toSorted((a, b) => (a.mean_loss ?? Infinity) - (b.mean_loss ?? Infinity))[0];
    const cell = (combination) => {
      if (!combination || combination.mean_loss === null) return h("td", h("div.none", words(combination ? "runs.diverged" : "runs.pending")));
      const share = high > low ? (high - combination.mean_loss) / (high - low) : 1;
      return h("td", h(combination.mean_loss === low ? "div.best" : "div", { style: { "--share": share } }, significant(combination.mean_loss, 5),
        combination.sd_loss !== null && h("small", h("br"), `± ${significant(combination.sd_loss, 2)}`)));
    };
    const columns = across === null ? [null] : run.axes[across];
    show(grid, h("div.scroll", h("table.heat", h("caption.unseen", title),
      h("thead", h("tr", h("th", { scope: "col" }, `${down} ↓`, across !== null && [h("br"), `${across} →`]), columns.map((one) => h("th", { scope: "col" }, one === null ? words("runs.loss") : written(one))))),
      h("tbody", run.axes[down].map((row) => h("tr", h("th", { scope: "row" }, written(row)), columns.map((column) => cell(best(row, column)))))))));
  };
  const pairs = axes.length < 2 ? [] : axes.flatMap((down, at) => axes.slice(at + 1).map((across) => [down, across]));
  redraw(axes[0], axes[1] ?? null);
  const pick = pairs.length > 1 && segments(words("runs.axes"), pairs.map((pair) => [pair, pair.join(" × ")]), pairs[0], ([down, across]) => redraw(down, across));
  return h("section.card", { "aria-label": title }, h("div.tools", h("h2", title), pick), grid, h("p.quiet.gap", words("runs.heat_note")));
}

function curvesCard(run, curves) {
  const title = words("runs.curves");
  if (!curves.length) return card(title, h("p", words("runs.no_results")));
  const best = (name) => run.results.find((one) => one.name === name)?.best_epoch ?? null;
  const shown = curves.toSorted((a, b) => (b.member === run.winner) - (a.member === run.winner)).slice(0, MOST_CURVES);
  const losses = shown.flatMap((curve) => [...curve.train_loss.slice(1), ...curve.validation_loss]).filter(Number.isFinite);
  const epochs = Math.max(...shown.map((curve) => curve.train_loss.length));
  const range = [Math.min(...losses), Math.max(...losses)];
  return card(title, h("div.grid.curves", shown.map((curve) => {
    const name = curve.member === run.winner ? words("runs.winner_named", { name: spaced(curve.member) }) : spaced(curve.member);
    return h("figure", traces(name, [{ name: words("runs.train"), values: curve.train_loss, dashed: true, colour: 4 }, { name: words("runs.validation"), values: curve.validation_loss, colour: 0 }], { mark: best(curve.member), range, epochs }),
      h("figcaption.long", name));
  })), h("p.quiet.gap", words("runs.curves_note")));
}

function winnerCard(run) {
  const title = words("runs.winner");
  if (!run.verdict) return card(title, h("p", words("runs.not_judged")));
  return h("section.card.finding", { "aria-label": title }, h("h2", title), h("p.long", h("b", spaced(run.winner))), h("p.verdict.gap", clauses(run.verdict)),
    h("p.quiet.gap", words("runs.trials", { count: count(run.trials) })),
    h("details", h("summary", words("verdict.why")), h("ul", run.why.map((reason) => sentence("li", reason)))));
}

/** Names of its settings: what is varied has its own place, and the hash is of the settings. */
const settingsOf = (run) => Object.keys(run.config).filter((name) => typeof run.config[name] !== "object" && name !== "hash");

function settingsCard(run) {
  const title = words("runs.settings");
  const rows = settingsOf(run).map((name) => [h("code", name), written(run.config[name])]);
  return card(title, table(title, [words("runs.setting"), words("runs.value")], rows));
}

async function compare(first, second, signal) {
  const runs = await Promise.all([first, second].map((id) => get(`runs/${part(id)}`, signal)));
  const title = words("runs.compared");
  const loss = (run) => run.combinations[0]?.mean_loss;
  const names = [...new Set(runs.flatMap(settingsOf))].filter((name) => runs[0].config[name] !== runs[1].config[name]);
  const same = runs[0].data.fingerprint === runs[1].data.fingerprint;
  const rows = [
    [words("runs.loss"), ...runs.map((run) => significant(loss(run), 5))],
    [words("runs.members"), ...runs.map((run) => `${count(run.done)} / ${count(run.members)}`)],
    [words("runs.winner"), ...runs.map((run) => run.winner ? spaced(run.winner) : "–")],
    [words("runs.diverged_share"), ...runs.map((run) => percent(run.results.filter((one) => one.diverged).length / Math.max(1, run.results.length), 0))],
    ...names.map((name) => [h("code", name), ...runs.map((run) => written(run.config[name] ?? "–"))]),
  ];
  return [h("div.head", h("h1", title)), !same && h("section.card.finding.alarm.gap", h("p", words("runs.other_data"))),
    h("section.card.list.gap", table(title, [words("runs.name"), ...runs.map((run) => h("a", { href: `#/experiments/${part(run.id)}` }, run.name))], rows), h("p.quiet.gap", words("runs.compared_note")))];
}
