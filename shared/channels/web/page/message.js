// One message as an element: from what the server published, or from what is still on its way there.

import { copyButton, markdown, plain } from "./content.js";
import { byId, icon, make, readableSize } from "./dom.js";
import { State } from "./outbox.js";
import { fileAddress } from "./server.js";

const SPEAKERS = { person: "You", assistant: "Praxos", notice: "Praxos" };
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** An item of the server. `press(button, element)` is called for a choice. */
export function published(item, press) {
  return element(item, Object.hasOwn(SPEAKERS, item.role) ? item.role : "notice", press);
}

/** A message of this page that the server has not published yet; `act` has `retry(id)` and `drop(id)`. */
export function pending(message, act) {
  const node = element({ ...message, attachments: message.files, id: message.id }, "person");
  showState(node, message, act);
  return node;
}

/** Show what became of a message so far. */
export function showState(node, message, act) {
  node.classList.toggle("waiting", message.state === State.WAITING || message.state === State.SENDING);
  node.classList.toggle("failed", message.state === State.FAILED);
  const button = (text, listener) => make("button", { type: "button", text, onclick: listener });
  const retry = button("Try again", () => act.retry(message.id));
  const words = {
    [State.SENDING]: ["Sending…"],
    [State.TAKEN]: [clock(message.at)],
    [State.WAITING]: ["Not sent yet: it goes out when the connection is back.", retry],
    [State.FAILED]: [`Not sent. ${message.reason ?? ""}`, retry, button("Remove", () => act.drop(message.id))],
  }[message.state];
  node.querySelector(".meta").replaceChildren(make("span", { class: "state" }, ...words));
}

/** Turn a pending message into a published one, in place. */
export function settle(node, item) {
  node.classList.remove("waiting", "failed");
  node.dataset.n = item.n;
  node.dataset.at = item.at;
  node.querySelector(".meta").replaceChildren(clock(item.at));
}

function element(item, role, press) {
  const body = make(
    "div",
    { class: "body" },
    make("span", { class: "unseen", text: `${SPEAKERS[role]}:` }),
    item.text || item.html ? make("div", { class: "bubble" }, item.html ? markdown(item.html) : plain(item.text)) : null,
    item.attachments?.length ? make("div", { class: "files" }, ...item.attachments.map(file)) : null,
    press && item.buttons?.length ? choices(item.buttons, press) : null,
    make("div", { class: "meta" }, clock(item.at), role === "person" ? null : copyButton("Copy message", () => item.text, { quiet: true })),
  );
  const node = make("article", { class: `message ${role}` }, role === "person" ? null : icon("mark", "mark"), body);
  if (item.n !== undefined) node.dataset.n = item.n;
  if (item.id) node.dataset.id = item.id;
  node.dataset.at = item.at;
  return node;
}

function clock(at) {
  const date = new Date(at);
  return make("time", { datetime: at, text: time.format(date), title: moment.format(date) });
}

function file(attachment) {
  const { id, name, media_type: type, size } = attachment;
  const label = make("span", { class: "label" }, make("b", { text: name }), make("small", { text: readableSize(size) }));
  if (!id) return make("span", { class: "file" }, icon("file"), label);
  if (!PICTURES.has(type)) {
    return make("a", { class: "file", href: fileAddress(id), download: name }, icon("file"), label);
  }
  const picture = make("img", { src: fileAddress(id), alt: name, loading: "lazy" });
  const button = make("button", { type: "button", class: "thumbnail", "aria-label": `Show ${name}`, onclick: () => view(id, name) }, picture);
  picture.addEventListener("error", () => button.replaceWith(make("span", { class: "file" }, icon("file"), label)));
  return button;
}

function view(id, name) {
  const picture = byId("picture");
  picture.src = fileAddress(id);
  picture.alt = name;
  byId("viewer").showModal();
}

function choices(rows, press) {
  const box = make("div", { class: "choices", role: "group", "aria-label": "Choices" });
  for (const row of rows) {
    const buttons = row.map((button) =>
      make("button", {
        type: "button",
        class: `choice ${button.style === "primary" || button.style === "danger" ? button.style : ""}`.trim(),
        text: button.label,
        onclick: (event) => {
          box.querySelectorAll("button").forEach((one) => (one.disabled = true));
          event.currentTarget.classList.add("chosen");
          press(button);
        },
      }),
    );
    box.append(make("div", {}, ...buttons));
  }
  return box;
}
