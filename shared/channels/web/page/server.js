// The only module that talks to the server. Addresses are relative to the page, `/api/chat`.

const PATIENCE_MS = 20_000;

/** What the server answered when it did not do it. `status` 0: no answer. */
export class ServerError extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }

  /** True where the same request may work later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  get signedOut() {
    return this.status === 401;
  }
}

/** Items and progress: `{after}` what is new, `{before}` what is older, neither the latest. */
export function readEvents(range) {
  return request(`chat/events?${new URLSearchParams(range)}`);
}

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();

/** Say something. The message's id makes a repeat harmless. */
export function postMessage({ id, text, files, button }) {
  return request("webhooks/web", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id, text, files, button, time_zone: timeZone ?? "" }),
  });
}

/** Where a file can be had. */
export const fileAddress = (id) => `chat/files/${encodeURIComponent(id)}`;

/** Upload a file; `onProgress` hears how much of it has gone, from 0 to 1. Returns a promise and a way to stop it. */
export function upload(file, onProgress) {
  const call = new XMLHttpRequest(); // fetch cannot tell how much of a body has gone
  const stored = new Promise((resolve, reject) => {
    call.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    call.addEventListener("load", () => {
      const answer = parsed(call.responseText);
      if (call.status < 300) resolve(answer);
      else reject(new ServerError(call.status, answer.error ?? "The file was not taken."));
    });
    call.addEventListener("error", () => reject(new ServerError(0, "No connection.")));
    call.addEventListener("abort", () => reject(new ServerError(0, "Stopped.")));
    call.open("POST", "chat/files");
    call.responseType = "text";
    call.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    call.setRequestHeader("X-File-Name", encodeURIComponent(file.name.toWellFormed?.() ?? file.name));
    call.send(file);
  });
  return { stored, stop: () => call.abort() };
}

async function request(address, options = {}) {
  let response;
  let text;
  try {
    response = await fetch(address, { ...options, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    text = await response.text();
  } catch {
    throw new ServerError(0, "No connection.");
  }
  const answer = parsed(text);
  if (!response.ok) throw new ServerError(response.status, answer.error ?? `The server answered ${response.status}.`);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
