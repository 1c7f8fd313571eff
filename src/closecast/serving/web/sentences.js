// What the server's rooms say in English, in the reader's language. The words are the reports' own:
// the server is asked for them, all of a page at once, and what has none stays English and is marked so.

import { send } from "./api.js";
import { h } from "./view.js";
import { currentLanguage } from "./words.js";

const MOST = 1000;
const known = new Map();
let waiting = [];

/** An element that says a sentence: `sentence("li", text)`. */
export function sentence(tag, text) {
  const element = h(tag, { lang: "en" }, text);
  if (currentLanguage() === "en") return element;
  const said = known.get(text);
  if (said) tell(element, said);
  else {
    if (!waiting.length) queueMicrotask(ask);
    waiting.push({ element, text });
  }
  return element;
}

async function ask() {
  const asked = waiting;
  waiting = [];
  const texts = [...new Set(asked.map((one) => one.text))].slice(0, MOST);
  let answer;
  try {
    answer = await send("sentences", { language: currentLanguage(), sentences: texts });
  } catch {
    return; // they stay English, and a page that is drawn again asks again
  }
  answer.sentences.forEach((said, at) => known.set(texts[at], said));
  for (const { element, text } of asked) if (known.has(text)) tell(element, known.get(text));
}

function tell(element, { text, language }) {
  element.textContent = text;
  element.lang = language;
}
