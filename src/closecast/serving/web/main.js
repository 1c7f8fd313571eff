// The shell: bar, search, language, theme, and which page stands in the middle.

import { login } from "./login.js";
import { drawSearch, focusSearch } from "./search.js";
import { failure, h, loading, s, show } from "./view.js";
import { otherLanguage, preferredLanguage, speak, words } from "./words.js";

const ROOMS = {
  forecast: ["M3 17l5-6 4 3 4-6 5 3", "M3 21h18"],
  evidence: ["M4 20V10M10 20V4M16 20v-7M21 20H3"],
  experiments: ["M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z"],
  data: ["M4 6c0-3 16-3 16 0v12c0 3-16 3-16 0zM4 6c0 3 16 3 16 0M4 12c0 3 16 3 16 0"],
  lab: ["M9 3h6M10 3v6l-5 9c-1 2 0 3 2 3h10c2 0 3-1 2-3l-5-9V3"],
};
const page = document.getElementById("page");
let leave = null; // what the page that stands there wants done when it goes

function drawRooms(current) {
  show(document.getElementById("rooms"), Object.entries(ROOMS).map(([room, paths]) =>
    h("a", { href: `#/${room}`, "aria-current": room === current && "page" },
      s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, paths.map((d) => s("path", { d }))),
      words(`rooms.${room}`))));
}

/** Where the address points: `#/forecast/AAPL` is room forecast with AAPL. */
export function place() {
  const [, room = "", ...rest] = location.hash.split("/");
  return { room: room in ROOMS ? room : "forecast", rest: rest.map(decodeURIComponent) };
}

async function open() {
  const { room, rest } = place();
  leave?.();
  leave = null;
  drawRooms(room);
  document.title = `${words(`rooms.${room}`)} | closecast`;
  show(page, loading());
  const stay = new AbortController();
  leave = () => stay.abort();
  try {
    const { draw } = await import(`./pages/${room}.js`);
    const drawn = await draw(rest, stay.signal);
    if (!stay.signal.aborted) show(page, drawn);
  } catch (error) {
    if (error.name === "AbortError") return;
    show(page, error.status === 401 ? login(open) : failure(error, open));
  }
}

function currentTheme() {
  const chosen = localStorage.getItem("theme");
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function wear(theme) {
  document.documentElement.dataset.theme = theme;
  const other = theme === "dark" ? "light" : "dark";
  const button = document.getElementById("theme");
  show(button, theme === "dark" ? "☀" : "☾");
  button.setAttribute("aria-label", words(`shell.${other}`));
  button.title = words(`shell.${other}`);
  button.onclick = () => {
    localStorage.setItem("theme", other);
    wear(other);
    open();
  };
}

async function say(language) {
  await speak(language);
  for (const element of document.querySelectorAll("[data-word]")) show(element, words(element.dataset.word));
  for (const element of document.querySelectorAll("[data-word-label]"))
    element.setAttribute("aria-label", words(element.dataset.wordLabel));
  const button = document.getElementById("language");
  show(button, words("shell.other_language"));
  button.lang = otherLanguage();
  button.onclick = () => say(otherLanguage());
  drawSearch(document.getElementById("search"));
  wear(currentTheme());
  await open();
}

addEventListener("hashchange", open);
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) {
    event.preventDefault();
    focusSearch();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  wear(currentTheme());
  open();
});
say(preferredLanguage());
