// The search for a symbol: a combo box as WAI-ARIA describes it. Press / to reach it.

import { get, part } from "./api.js";
import { h, show } from "./view.js";
import { day, words } from "./words.js";

const SHOWN = 12;
let input = null;

export const focusSearch = () => input?.focus();

export function drawSearch(form) {
  const list = h("ul", { id: "found", role: "listbox", "aria-label": words("shell.symbols"), hidden: true });
  input = h("input", {
    type: "search", name: "symbol", role: "combobox", "aria-label": words("shell.search"), placeholder: words("shell.search"),
    "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list", maxlength: "40", spellcheck: "false",
  });
  const box = { input, list, symbols: [], chosen: -1, asked: null };
  input.addEventListener("input", () => ask(box));
  input.addEventListener("focus", () => ask(box));
  input.addEventListener("blur", () => setTimeout(() => close(box), 150));
  input.addEventListener("keydown", (event) => steer(box, event));
  form.onsubmit = (event) => {
    event.preventDefault();
    const first = box.symbols[Math.max(0, box.chosen)];
    if (first) go(box, first.symbol);
    else if (input.value.trim()) go(box, input.value.trim());
  };
  show(form, input, h("kbd", { "aria-hidden": "true" }, "/"), list);
}

async function ask(box) {
  box.asked?.abort();
  box.asked = new AbortController();
  try {
    const answer = await get(`symbols?query=${part(box.input.value.trim())}&limit=${SHOWN}`, box.asked.signal);
    box.symbols = answer.symbols;
    box.chosen = -1;
    draw(box);
  } catch (error) {
    if (error.name !== "AbortError") close(box); // the page itself says what is wrong
  }
}

function draw(box) {
  const items = box.symbols.map((one, at) =>
    h("li", { id: `found-${at}`, role: "option", "aria-selected": String(at === box.chosen), mousedown: () => go(box, one.symbol) },
      h("b", one.symbol), h("small", day(one.last))));
  show(box.list, items.length ? items : h("li", { role: "option", "aria-disabled": "true" }, words("shell.nothing")));
  box.list.hidden = false;
  box.input.setAttribute("aria-expanded", "true");
  if (box.chosen >= 0) box.input.setAttribute("aria-activedescendant", `found-${box.chosen}`);
  else box.input.removeAttribute("aria-activedescendant");
}

function steer(box, event) {
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") close(box);
  if (!move || !box.symbols.length) return;
  event.preventDefault();
  box.chosen = (box.chosen + move + box.symbols.length) % box.symbols.length;
  draw(box);
}

function close(box) {
  box.list.hidden = true;
  box.input.setAttribute("aria-expanded", "false");
}

function go(box, symbol) {
  box.input.value = "";
  box.input.blur();
  close(box);
  location.hash = `#/forecast/${part(symbol)}`;
}
