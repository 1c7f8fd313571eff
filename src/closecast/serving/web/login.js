// Who is not logged in is asked for a key; the server answers with a cookie that no script can read.

import { send } from "./api.js";
import { h, show } from "./view.js";
import { words } from "./words.js";

/** The form; `then` is called once the key was right. */
export function login(then) {
  const key = h("input.field", { type: "password", name: "key", required: true, maxlength: "200", autocomplete: "current-password", "aria-label": words("login.key"), placeholder: words("login.key") });
  const refused = h("p.bad", { role: "alert" });
  const enter = async (event) => {
    event.preventDefault();
    try {
      await send("session", { key: key.value });
      then();
    } catch (error) {
      show(refused, error.message);
    }
  };
  return h("form.state", { submit: enter }, h("h1", words("login.title")), h("p", words("login.how")), key,
    h("button.button", { type: "submit" }, words("login.enter")), refused);
}
