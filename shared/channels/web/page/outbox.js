// What the person said and the server has not confirmed yet. It survives a reload, and keeps the order.

import { postMessage } from "./server.js";

const STORED = "praxos.unsent";
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;

/** What became of a message. */
export const State = Object.freeze({ SENDING: "sending", TAKEN: "taken", WAITING: "waiting", FAILED: "failed" });

/** Sends one message after the other. `onChange(message)` hears of each new state. */
export class Outbox {
  constructor({ onChange }) {
    this.onChange = onChange;
    this.messages = load();
    this.busy = false;
    this.timer = 0;
    this.wait = FIRST_WAIT_MS;
  }

  /** Say something; returns the message, which has an id and a state. */
  add({ text, files = [], button }) {
    const message = { id: crypto.randomUUID(), text, files, button, at: new Date().toISOString(), state: State.SENDING };
    this.messages.push(message);
    this.#changed(message);
    this.flush();
    return message;
  }

  /** True while something is on its way. */
  get expecting() {
    return this.messages.some((message) => message.state === State.TAKEN || message.state === State.SENDING);
  }

  /** The server shows it: it is no longer ours to keep. */
  confirm(id) {
    this.messages = this.messages.filter((message) => message.id !== id);
    save(this.messages);
  }

  /** Try again, with the same id. */
  retry(id) {
    const message = this.messages.find((one) => one.id === id);
    if (!message) return;
    message.state = State.SENDING;
    this.#changed(message);
    this.flush();
  }

  /** Send what waits: when there is a connection again, and at the start. */
  async flush() {
    clearTimeout(this.timer);
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this.#next(); next; next = this.#next()) {
        if (!(await this.#send(next))) break;
      }
    } finally {
      this.busy = false;
    }
  }

  #next() {
    return this.messages.find(({ state }) => state === State.SENDING || state === State.WAITING);
  }

  async #send(message) {
    try {
      await postMessage(message);
      message.state = State.TAKEN;
      this.wait = FIRST_WAIT_MS;
    } catch (error) {
      message.state = error.passing ? State.WAITING : State.FAILED;
      message.reason = error.signedOut ? "Your session is over." : error.message;
    }
    const gone = !this.messages.includes(message);
    if (!gone) this.#changed(message);
    if (message.state !== State.WAITING || gone) return true;
    this.timer = setTimeout(() => this.flush(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    return false;
  }

  #changed(message) {
    save(this.messages);
    this.onChange(message);
  }
}

function load() {
  try {
    const messages = JSON.parse(sessionStorage.getItem(STORED)) ?? [];
    // Whether the last try arrived is not known: the same id makes another one harmless.
    return messages.map((message) => ({ ...message, state: message.state === State.FAILED ? State.FAILED : State.SENDING }));
  } catch {
    return [];
  }
}

function save(messages) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(messages));
  } catch {
    // Storage is full or forbidden: the message is still sent, it only does not survive a reload.
  }
}
