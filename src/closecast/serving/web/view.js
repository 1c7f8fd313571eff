// Building elements, and the three states in which a page has nothing to show.
// Text only ever enters as text: nothing from the server is parsed as HTML.

import { words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("p.quiet", { title }, "text", child)`. Functions are listeners; null is left out. */
export function h(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  return filled(document.createElement(name || "div"), classes, rest);
}

/** The same in SVG. */
export function s(tag, ...rest) {
  const [name, ...classes] = tag.split(".");
  return filled(document.createElementNS(SVG, name), classes, rest);
}

function filled(element, classes, [first, ...others]) {
  if (classes.length) element.classList.add(...classes);
  const given = isAttributes(first);
  for (const [name, value] of Object.entries(given ? first : {})) set(element, name, value);
  element.append(...(given ? others : [first, ...others]).flat(Infinity).filter(exists));
  return element;
}

const exists = (child) => child !== null && child !== undefined && child !== false;

const isAttributes = (value) =>
  exists(value) && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") element.addEventListener(name, value);
  else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
  else element.setAttribute(name, value === true ? "" : value);
}

/** Put children in the place of what an element held. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(exists));
}

const SIGNS = {
  empty: ["M6 40h36", "M10 34l9-9 6 5 7-8 6 4", "M34 10v10M29 15h10"],
  failed: ["M24 8 44 42H4z", "M24 20v10", "M24 36v.5"],
};

/** What a page says that has nothing to show, and what to do about it. */
export function state(kind, title, text, ...actions) {
  const sign = s("svg", { viewBox: "0 0 48 48", "aria-hidden": "true" },
    SIGNS[kind].map((d) => s("path", { d })));
  return h("div.state", { role: kind === "failed" ? "alert" : "status" }, sign, h("h1", title),
    text && h("p", text), actions);
}

/** The shape of a page that is on its way. */
export function loading() {
  return h("div.bones", { role: "status", "aria-label": words("state.loading") }, h("div"), h("div"), h("div"));
}

/** A failure in the words of the server, with a way to try again. */
export function failure(error, again) {
  const away = error.status === 503 && h("p", words("state.away"));
  return state("failed", words(error.offline ? "state.offline" : "state.failed"), away ? null : error.message,
    away, away && h("p.quiet", error.message), h("button.button", { type: "button", click: again }, words("state.again")));
}

/** A card with a heading. */
export function card(title, ...children) {
  return h("section.card", { "aria-label": title }, h("h2", title), children);
}

/** A table: heads are texts, rows are arrays whose first cell is the row's head. */
export function table(caption, heads, rows) {
  return h("div.scroll", { tabindex: "0", role: "group", "aria-label": caption },
    h("table", h("caption.unseen", caption),
      h("thead", h("tr", heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", rows.map(([first, ...cells]) =>
        h("tr", h("th", { scope: "row" }, first), cells.map((cell) => h("td", cell)))))));
}

/** A choice of one among few, as pressed buttons. */
export function segments(label, choices, chosen, choose) {
  const buttons = choices.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), click: () => press(value) }, text));
  const press = (value) => {
    choices.forEach(([one], at) => buttons[at].setAttribute("aria-pressed", String(one === value)));
    choose(value);
  };
  return h("div.segments", { role: "group", "aria-label": label }, buttons);
}
