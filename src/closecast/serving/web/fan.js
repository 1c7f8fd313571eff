// Candles, volume and the fan of the sessions ahead, on TradingView's Lightweight Charts.
// Its own mark is off because it needs a style element, which the page's policy forbids;
// the footer carries the notice and the link instead.

import { CandlestickSeries, createChart, HistogramSeries } from "./vendor/lightweight-charts.js";
import { currentLanguage, price } from "./words.js";

const BANDS = [["95", 0.14], ["80", 0.2], ["50", 0.3]];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * Draws one fan: three bands, the median, and the close they open from; where asked, the
 * outline that all sessions stay inside together.
 */
class Fan {
  constructor(fan, band) {
    this.fan = fan;
    this.band = band;
    this.views = [{ zOrder: () => "top", renderer: () => ({ draw: (target) => target.useMediaCoordinateSpace((space) => this.paint(space.context)) }) }];
  }

  attached({ chart, series, requestUpdate }) {
    Object.assign(this, { chart, series, requestUpdate });
  }

  paneViews() {
    return this.views;
  }

  /** The fan belongs to what the price axis has to show. */
  autoscaleInfo() {
    const { last_close: last, steps } = this.fan;
    const ends = steps.flatMap((step) => [...step.intervals["95"], ...this.bandOf(step)]);
    return { priceRange: { minValue: Math.min(last, ...ends), maxValue: Math.max(last, ...ends) } };
  }

  /** The ends of the band that the whole path stays inside, where it is shown. */
  bandOf(step) {
    return (this.band && step.path?.[this.band]) || [];
  }

  paint(context) {
    const time = this.chart.timeScale();
    const { cutoff, last_close: last, steps } = this.fan;
    const xs = [cutoff, ...steps.map((step) => step.date)].map((date) => time.timeToCoordinate(date));
    if (xs.includes(null)) return; // sessions that are not on this chart
    const ys = (of) => [last, ...steps.map(of)].map((value) => this.series.priceToCoordinate(value));
    context.fillStyle = context.strokeStyle = colour("accent");
    for (const [level, alpha] of BANDS) {
      const [low, high] = [0, 1].map((end) => ys((step) => step.intervals[level][end]));
      context.globalAlpha = alpha;
      trace(context, [...xs, ...xs.toReversed()], [...low, ...high.toReversed()]);
      context.fill();
    }
    context.globalAlpha = 1;
    if (steps.every((step) => this.bandOf(step).length)) {
      context.lineWidth = 1;
      context.setLineDash([4, 3]);
      for (const end of [0, 1]) {
        trace(context, xs, ys((step) => this.bandOf(step)[end]));
        context.stroke();
      }
      context.setLineDash([]);
    }
    context.lineWidth = 2;
    const middle = ys((step) => step.median);
    trace(context, xs, middle);
    context.stroke();
    for (let at = 1; at < xs.length; at++) {
      context.beginPath();
      context.arc(xs[at], middle[at], 2.6, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

function trace(context, xs, ys) {
  context.beginPath();
  xs.forEach((x, at) => context.lineTo(x, ys[at]));
}

function look() {
  const rule = colour("rule");
  return {
    autoSize: true,
    layout: { background: { color: "transparent" }, textColor: colour("muted"), fontFamily: colour("sans"), fontSize: 11, attributionLogo: false },
    grid: { vertLines: { visible: false }, horzLines: { color: rule } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: 0.2 } },
    timeScale: { borderColor: rule, rightOffset: 1, minBarSpacing: 1 },
    localization: { locale: currentLanguage(), priceFormatter: price, dateFormat: "yyyy-MM-dd" },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  };
}

/**
 * Draw bars and a fan into a container that stands in the page. `point` is told the place of
 * the session under the pointer, or null where there is none. `showBand` shows the band of the
 * whole path at a level such as "80", or none.
 * Returns { showFan, showBand, showLast, remove }.
 */
export function drawChart(container, bars, fan, point) {
  const chart = createChart(container, look());
  const [up, down] = [colour("up"), colour("down")];
  const candles = chart.addSeries(CandlestickSeries, {
    upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false, priceLineVisible: false, lastValueVisible: true,
  });
  const volume = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume", color: colour("rule"), priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false,
  });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
  volume.setData(bars.map((bar) => ({ time: bar.date, value: bar.volume })));

  let [drawn, band] = [null, null];
  const showFan = (next) => {
    if (drawn) candles.detachPrimitive(drawn);
    const last = bars.at(-1).date;
    const ahead = next.steps.filter((step) => step.date > last).map((step) => ({ time: step.date }));
    candles.setData([...bars.map(({ date, open, high, low, close }) => ({ time: date, open, high, low, close })), ...ahead]);
    drawn = new Fan(next, band);
    candles.attachPrimitive(drawn);
  };
  const showBand = (level) => {
    band = level;
    showFan(drawn.fan);
  };
  /** Show the last sessions, with the sessions ahead beside them. */
  const showLast = (sessions) => {
    const end = bars.length + 5;
    chart.timeScale().setVisibleLogicalRange({ from: Math.max(-0.5, bars.length - sessions), to: end });
  };
  chart.subscribeCrosshairMove(({ logical }) => point(logical ?? null));
  showFan(fan);
  return { showFan, showBand, showLast, remove: () => chart.remove() };
}
