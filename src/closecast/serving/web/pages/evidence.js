// Evidence: what the model that serves was judged to be worth, on bars that it never trained on.

import { get } from "../api.js";
import { sentence } from "../sentences.js";
import { columns, legend, whiskers } from "../plot.js";
import { verdictCard } from "../verdict.js";
import { card, h, state, table } from "../view.js";
import { figures, fixed, percent, signed, words } from "../words.js";

const DENSITY = ["ewma_t", "har_t", "garch_t"];
const MEAN = ["zero", "drift"];

export async function draw(_rest, signal) {
  const board = await get("scoreboard", signal).catch((error) => {
    if (error.status !== 404) throw error;
    return null;
  });
  if (!board) return state("empty", words("evidence.none"), words("evidence.none_how"), h("code", "closecast shelf add MODEL"));
  const own = board.rows.filter((row) => row.model === "closecast");
  return [
    h("div.head", h("h1", words("rooms.evidence")), h("p", words("evidence.head", { version: board.version, windows: board.num_windows ?? "–", first: board.split?.test?.first ?? "–", last: board.split?.test?.last ?? "–" }))),
    h("div.split",
      h("div.stack", h("div.grid", skillCard(own, "crps", DENSITY), skillCard(own, "rmse", MEAN)), coverageCard(own), pitCard(board.calibration), scoresCard(board.rows)),
      h("aside.stack", verdictCard({ text: board.verdict, why: board.why, suspicious: board.suspicious ?? false }), leakCard(board.leak_tests ?? {}), board.copycat && copycatCard(board.copycat))),
  ];
}

function skillCard(rows, score, baselines) {
  const title = words(`evidence.skill_${score}`);
  const series = baselines.filter((name) => name in rows[0][`skill_${score}_vs`]).map((name) => ({
    name: words(`models.${name}`),
    points: rows.map((row) => {
      const [low, high] = row[`skill_${score}_interval_vs`]?.[name] ?? [row[`skill_${score}_vs`][name], row[`skill_${score}_vs`][name]];
      return { step: row.horizon, value: row[`skill_${score}_vs`][name], low, high };
    }),
  }));
  const told = (point) => `${signed(point.value)} (${signed(point.low)} – ${signed(point.high)})`;
  return card(title, h("figure", whiskers(title, series), legend(series), h("figcaption", words(`evidence.skill_${score}_note`))),
    h("details", h("summary", words("evidence.as_table")),
      table(title, [words("evidence.step"), ...series.map((one) => one.name)], rows.map((row, at) => [String(row.horizon), ...series.map((one) => told(one.points[at]))]))));
}

function coverageCard(rows) {
  const title = words("evidence.coverage");
  const cell = (value, nominal) => h(Math.abs(value - nominal) <= 0.03 ? "span" : "b.bad", percent(value));
  return card(title, table(title, [words("evidence.step"), "50 %", "80 %", "95 %"],
    rows.map((row) => [String(row.horizon), cell(row.coverage_50, 0.5), cell(row.coverage_80, 0.8), cell(row.coverage_95, 0.95)])),
  h("p.quiet.gap", words("evidence.coverage_note")));
}

function pitCard(calibration) {
  const title = words("evidence.pit");
  const drawn = (calibration?.pit ?? []).filter((one, at, all) => at === 0 || at === all.length - 1);
  if (!drawn.length) return null;
  return card(title, h("div.grid", drawn.map((one) => {
    const name = words("evidence.pit_step", { step: one.horizon });
    return h("figure", columns(name, one.shares, 1 / one.shares.length), h("figcaption", name, one.uniform_p !== null && ` · p = ${figures(one.uniform_p, 2)}`));
  })), h("p.quiet.gap", words("evidence.pit_note")));
}

function scoresCard(rows) {
  const title = words("evidence.scores");
  const steps = [rows[0].horizon, Math.max(...rows.map((row) => row.horizon))];
  const models = [...new Set(rows.map((row) => row.model))];
  const of = (model, step) => rows.find((row) => row.model === model && row.horizon === step);
  return card(title, table(title, [words("evidence.model"), ...steps.flatMap((step) => [`CRPS, ${step}`, `RMSE, ${step}`])],
    models.map((model) => [words(`models.${model}`), ...steps.flatMap((step) => [fixed(of(model, step).crps, 4), fixed(of(model, step).rmse, 5)])])),
  h("p.quiet.gap", words("evidence.scores_note")));
}

function leakCard(tests) {
  const title = words("evidence.leaks");
  const kind = (test) => (test.passed === null ? "li.unknown" : test.passed ? "li" : "li.fail");
  return card(title, h("ul.stamps", Object.entries(tests).map(([name, test]) =>
    h(kind(test), words(`leaks.${name}`), sentence("small", test.detail)))));
}

function copycatCard(copycat) {
  const title = words("evidence.copycat");
  const lags = [0, 1, 2, 3].map((lag) => [words("evidence.lag", { lag }), fixed(copycat[`change_lag_${lag}`], 3)]);
  return card(title, h("p", words(copycat.verdict.startsWith("no ") ? "evidence.copycat_none" : "evidence.copycat_some")),
    table(title, [words("evidence.lag_head"), words("evidence.correlation")], [...lags, ["Theil U2", fixed(copycat.theil_u2, 3)], ["IC", fixed(copycat.ic, 3)]]),
    h("p.quiet.gap", words("evidence.copycat_note")));
}
