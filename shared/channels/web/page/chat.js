// The chat page: wires the message box, the outbox, the feed and the log together.

import { Composer } from "./composer.js";
import { announce, byId, make } from "./dom.js";
import { Feed } from "./feed.js";
import { Log } from "./log.js";
import { Outbox, State } from "./outbox.js";
import { readEvents } from "./server.js";

const SAY = "say:";

const log = new Log({ press, act: { retry: (id) => outbox.retry(id), drop } });
const outbox = new Outbox({ onChange: tracked });
const feed = new Feed({ onNews: news, onConnection: connection, expecting: () => outbox.expecting });
const composer = new Composer({ onSend: say });

function say(words) {
  log.toEnd();
  outbox.add(words);
}

function press(button) {
  // A choice that stands for words is shown as those words.
  const text = button.value.startsWith(SAY) ? button.value.slice(SAY.length) : button.label;
  outbox.add({ text, button: button.value });
}

function tracked(message) {
  log.track(message);
  showWelcome();
  showProgress();
  if (message.state === State.TAKEN) feed.nudge();
  if (message.state === State.FAILED) announce(`Your message was not sent. ${message.reason}`);
}

function drop(id) {
  outbox.confirm(id);
  log.drop(id);
  showWelcome();
  composer.focus();
}

let progress = null;
let working = false;

function news(answer, first) {
  log.add(answer.items, { initial: first }).forEach((id) => outbox.confirm(id));
  ({ progress, working } = answer);
  if (first) begin(answer);
  showWelcome();
  showProgress();
}

function begin(answer) {
  byId("earlier").hidden = !answer.more;
  const shown = new Set(answer.items.map((item) => item.id));
  for (const message of [...outbox.messages]) {
    if (shown.has(message.id)) outbox.confirm(message.id);
    else log.track(message);
  }
  outbox.flush();
  log.toEnd();
}

function showWelcome() {
  byId("welcome").hidden = !log.empty || feed.last === null;
}

function showProgress() {
  const line = byId("progress");
  const busy = working || outbox.messages.some((message) => message.state === State.TAKEN);
  line.hidden = !busy || feed.failures > 1;
  const words = (progress?.text ?? "Thinking").replace(/[.…\s]+$/, "");
  if (line.hidden || line.dataset.words !== words) {
    line.dataset.words = line.hidden ? "" : words;
    const dots = make("span", { class: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
    line.replaceChildren(...(line.hidden ? [] : [dots, make("span", { text: `${words}…` })]));
  }
}

function connection(error) {
  const banner = byId("banner");
  if (error === null) {
    if (!banner.hidden) announce("Connected again");
    banner.hidden = true;
    outbox.flush();
  } else if (error.signedOut) {
    const reload = make("button", { type: "button", text: "Load the page again", onclick: () => location.reload() });
    banner.replaceChildren(make("span", { text: "You are not signed in any more." }), reload);
    banner.hidden = false;
  } else if (feed.failures > 1 && banner.hidden) {
    const again = make("button", { type: "button", text: "Try now", onclick: () => feed.nudge() });
    banner.replaceChildren(make("span", { text: "No connection. Trying again…" }), again);
    banner.hidden = false;
  }
  showProgress();
}

async function showEarlier() {
  const button = byId("earlier");
  button.disabled = true;
  try {
    const answer = await readEvents({ before: log.first });
    log.prepend(answer.items);
    button.hidden = !answer.more;
  } catch (error) {
    announce(error.message);
  } finally {
    button.disabled = false;
  }
}

function keys(event) {
  const text = byId("text");
  if (byId("viewer").open || event.defaultPrevented) return;
  if (event.key === "Escape") {
    log.toEnd();
    text.focus();
  }
  // Whoever starts to type while reading means the message box.
  const types = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  const reading = document.activeElement === document.body || document.activeElement === byId("scroller");
  if (types && reading) text.focus();
}

byId("earlier").addEventListener("click", showEarlier);
byId("fresh").addEventListener("click", () => {
  say({ text: "/new" });
  composer.focus();
});
byId("welcome").addEventListener("click", (event) => {
  const suggestion = event.target.closest("[data-say]");
  if (!suggestion) return;
  say({ text: suggestion.dataset.say });
  composer.focus();
});
byId("viewer").addEventListener("click", (event) => event.target === event.currentTarget && event.currentTarget.close());
document.addEventListener("keydown", keys);
document.addEventListener("visibilitychange", () => document.hidden || log.seen());

feed.nudge();
composer.focus();
