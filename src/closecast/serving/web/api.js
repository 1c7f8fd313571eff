// The only door to the server. A failure becomes an error that holds the server's own sentence.

export class Refused extends Error {
  constructor(message, { status = 0, offline = false, nearest = null } = {}) {
    super(message);
    Object.assign(this, { status, offline, nearest });
  }
}

/** Get an answer as JSON; `path` begins behind /v1/. */
export const get = (path, signal) => ask(path, { signal, headers: { Accept: "application/json" } });

/** Send JSON and get the answer. */
export const send = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new Refused(cause.message, { offline: true });
  }
  if (answer.ok) return answer.json();
  throw await refusal(answer);
}

async function refusal(answer) {
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const problem = isJson ? await answer.json() : {};
  const text = problem.detail ?? `${answer.status} ${answer.statusText}`;
  return new Refused(text, { status: answer.status, nearest: problem.nearest ?? null });
}

/** Follow a run until it ends or the returned function is called; a lost connection is taken up again. */
export function follow(path, onProgress, onEnd) {
  const source = new EventSource(`/v1/${path}`);
  const end = () => {
    source.close();
    onEnd();
  };
  source.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
  source.addEventListener("done", end);
  source.addEventListener("gone", end);
  return () => source.close();
}

export const part = encodeURIComponent;
