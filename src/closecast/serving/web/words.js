// The words of the dashboard: one catalogue a language, the same keys in each
// (tests/serving/web checks that). Numbers and dates are written by the browser.

const LANGUAGES = ["en", "ko"];
let catalogue = {};
let language = "en";

/** The words behind a key, `{name}` filled in. A key without words shows itself. */
export function words(key, values = {}) {
  const one = values.count === 1 ? catalogue[`${key}_one`] : undefined;
  return (one ?? catalogue[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const hasWords = (key) => key in catalogue;

export const currentLanguage = () => language;

export const otherLanguage = () => LANGUAGES.find((one) => one !== language);

/** Take the reader's own language: the last one chosen, else the browser's, else English. */
export function preferredLanguage() {
  const chosen = localStorage.getItem("language");
  if (LANGUAGES.includes(chosen)) return chosen;
  return navigator.language.startsWith("ko") ? "ko" : "en";
}

export async function speak(name) {
  const answer = await fetch(new URL(`words/${name}.json`, import.meta.url));
  catalogue = await answer.json();
  language = name;
  localStorage.setItem("language", name);
  document.documentElement.lang = name;
}

const written = (value, options) =>
  value === null || value === undefined || Number.isNaN(value)
    ? "–"
    : new Intl.NumberFormat(language, options).format(value);

/** A price, with the decimals that prices of its size are quoted in. */
export function price(value) {
  const size = Math.abs(value);
  if (size >= 10000) return written(value, { maximumFractionDigits: 0 });
  if (size >= 10) return written(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return written(value, { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
}

/** A share from 0 to 1 as percent. */
export const percent = (value, digits = 1) =>
  written(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The same with its sign. */
export const signed = (value, digits = 2) =>
  written(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" });

export const count = (value) => written(value, { maximumFractionDigits: 0 });

/** A number that is large, in few letters: 12.3M. */
export const short = (value) => written(value, { notation: "compact", maximumSignificantDigits: 3 });

/** With as many decimals in every row of a column. */
export const fixed = (value, digits) => written(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** With as many figures in every cell of a map, zeros at the end included. */
export const significant = (value, digits) => written(value, { minimumSignificantDigits: digits, maximumSignificantDigits: digits });

export const figures = (value, digits = 3) => written(value, { maximumSignificantDigits: digits });

/** How long something takes, in the largest unit of which there is more than one. */
export function duration(seconds) {
  const [unit, size] = [["hour", 3600], ["minute", 60], ["second", 1]].find(([, size]) => seconds >= 1.5 * size) ?? ["second", 1];
  return written(seconds === null || seconds === undefined ? seconds : seconds / size, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 });
}

/** A session such as 2026-03-02, without any time zone moving it. */
export function day(text, long = false) {
  const [year, month, date] = text.slice(0, 10).split("-").map(Number);
  const options = { timeZone: "UTC", month: "short", day: "numeric", ...(long && { year: "numeric" }) };
  return new Intl.DateTimeFormat(language, options).format(Date.UTC(year, month - 1, date));
}

/** A moment, in the reader's own time zone. */
export const moment = (text) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
