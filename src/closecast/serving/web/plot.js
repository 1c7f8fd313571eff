// Small drawings in SVG: skill with whiskers, columns, a strip of outcomes, traces.
// Each has a title that says in words what it shows; a table stands beside it on the page.

import { h, s } from "./view.js";
import { figures, percent, signed } from "./words.js";

const WIDTH = 420;
const EDGE = { left: 48, right: 12, top: 10, bottom: 26 };

const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

/** Round numbers that span low to high, about `wanted` of them. */
export function ticks(low, high, wanted = 4) {
  const rough = (high - low || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => (first + at) * step);
}

function drawing(title, height, ...children) {
  return s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, s("title", title), children);
}

function axisY(y, values, write) {
  return values.map((value) => [
    s("line.axis", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }),
    s("text", { x: EDGE.left - 7, y: y(value) + 3.5, "text-anchor": "end" }, write(value)),
  ]);
}

const labelX = (x, y, text) => s("text", { x, y, "text-anchor": "middle" }, text);

/** A legend of `[{name}]`, in the colours of `c0`, `c1`, ... */
export function legend(series) {
  return h("ul.key", series.map(({ name }, at) => h(`li.c${at}`, h("i.line"), name)));
}

/** Skill by horizon: `series` of {name, points: [{step, value, low, high}]}. */
export function whiskers(title, series) {
  const height = 210;
  const points = series.flatMap((one) => one.points);
  const low = Math.min(0, ...points.map((point) => point.low));
  const high = Math.max(0, ...points.map((point) => point.high));
  const y = scale(low, high, height - EDGE.bottom, EDGE.top);
  const steps = [...new Set(points.map((point) => point.step))].sort((a, b) => a - b);
  const band = (WIDTH - EDGE.left - EDGE.right) / steps.length;
  const x = (step, at) => EDGE.left + band * (steps.indexOf(step) + (at + 1) / (series.length + 1));
  return drawing(title, height,
    axisY(y, ticks(low, high), (value) => signed(value, high - low > 0.03 ? 0 : 1)),
    s("line.zero", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(0), y2: y(0) }),
    steps.map((step) => labelX(EDGE.left + band * (steps.indexOf(step) + 0.5), height - 8, String(step))),
    series.map((one, at) => s(`g.c${at}`, one.points.map((point) => [
      s("line.whisker", { x1: x(point.step, at), x2: x(point.step, at), y1: y(point.low), y2: y(point.high) }),
      s("circle.mark", { cx: x(point.step, at), cy: y(point.value), r: 3.6 },
        s("title", `${one.name}, ${point.step}: ${signed(point.value)} (${signed(point.low)} – ${signed(point.high)})`)),
    ]))));
}

/** Columns of shares against what each should hold. */
export function columns(title, shares, expected) {
  const height = 130;
  const top = Math.max(expected * 1.6, ...shares) * 1.05;
  const y = scale(0, top, height - EDGE.bottom, EDGE.top);
  const band = (WIDTH - EDGE.left - EDGE.right) / shares.length;
  return drawing(title, height,
    shares.map((share, at) => s("rect.column", { x: EDGE.left + band * at + 1, width: band - 2, y: y(share), height: y(0) - y(share) },
      s("title", percent(share)))),
    s("line.zero", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(expected), y2: y(expected), "stroke-dasharray": "4 3" }),
    s("text", { x: EDGE.left - 7, y: y(expected) + 3.5, "text-anchor": "end" }, percent(expected, 0)),
    [0, 0.5, 1].map((level) => labelX(EDGE.left + level * (WIDTH - EDGE.left - EDGE.right), height - 8, percent(level, 0))));
}

/** Where each close fell: `points` of {place, text, label, chosen, pick}, place 0 the median, -1 and 1 the ends of the 80 % interval. */
export function strip(title, points) {
  const LINE = 12; // labels nearer to each other would overlap
  const height = 130;
  const far = Math.max(2, ...points.map((point) => Math.abs(point.place)));
  const y = scale(-far, far, height - EDGE.bottom, EDGE.top);
  const x = scale(0, Math.max(1, points.length - 1), EDGE.left + 8, WIDTH - EDGE.right - 8);
  return drawing(title, height,
    s("rect.band", { x: EDGE.left, width: WIDTH - EDGE.left - EDGE.right, y: y(1), height: y(-1) - y(1) }),
    s("line.zero", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(0), y2: y(0), "stroke-dasharray": "2 3" }),
    (y(-1) - y(1) < 2 * LINE ? [[0, 0.5]] : [[1, 0.9], [0, 0.5], [-1, 0.1]]).map(([place, level]) => s("text", { x: EDGE.left - 7, y: y(place) + 3.5, "text-anchor": "end" }, percent(level, 0))),
    points.map((point, at) => s(Math.abs(point.place) <= 1 ? "circle.inside" : "circle.outside",
      { cx: x(at), cy: y(point.place), r: point.chosen ? 5.5 : 3.2, click: point.pick, style: { cursor: "pointer" } }, s("title", point.text))),
    points.length > 0 && [s("text", { x: EDGE.left, y: height - 8 }, points[0].label),
      points.length > 1 && s("text", { x: WIDTH - EDGE.right, y: height - 8, "text-anchor": "end" }, points.at(-1).label)]);
}

/** Traces over a common axis: `series` of {name, values, dashed, colour}; `mark` is an epoch, `range` the losses and `epochs` the epochs that are spanned. */
export function traces(title, series, { mark, range: [low, high], epochs }) {
  const height = 170;
  const y = scale(low, high, height - EDGE.bottom, EDGE.top);
  const x = scale(1, Math.max(2, epochs), EDGE.left + 4, WIDTH - EDGE.right);
  const path = (one) => one.values.map((value, at) => (Number.isFinite(value) && value <= high ? `${x(at + 1)},${y(value)}` : null)).filter(Boolean).join(" ");
  return drawing(title, height,
    axisY(y, ticks(low, high, 3), figures),
    mark && s("line.zero", { x1: x(mark), x2: x(mark), y1: EDGE.top, y2: height - EDGE.bottom, "stroke-dasharray": "2 3" }),
    ticks(1, Math.max(2, epochs), 5).filter(Number.isInteger).map((at) => labelX(x(at), height - 8, String(at))),
    series.map((one, at) => s(`g.c${one.colour ?? at}`, s(one.dashed ? "polyline.trace.dashed" : "polyline.trace", { points: path(one) }, s("title", one.name)))));
}
