// Lab: the lessons, which run on this machine beside the server.

import { get } from "../api.js";
import { card, h, state } from "../view.js";
import { currentLanguage, words } from "../words.js";

export async function draw(_rest, signal) {
  const { lessons } = await get(`lessons?language=${currentLanguage()}`, signal);
  if (!lessons.length) return state("empty", words("lab.none"), words("lab.none_how"), h("code", "closecast lab"));
  return [h("div.head", h("h1", words("rooms.lab")), h("p", words("lab.head"))),
    h("div.grid", lessons.map((lesson) => card(`${lesson.number}. ${lesson.title}`, h("p", lesson.summary),
      h("p.gap", h("a", { href: lesson.address, target: "_blank", rel: "noopener noreferrer", "aria-label": `${words("lab.open")}: ${lesson.title}` }, words("lab.open"))))))];
}
