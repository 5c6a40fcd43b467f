// Polling: fast while something is going on, slower when nothing is, patient when the server is away.

import { readEvents } from "./server.js";

const BUSY_MS = 500;
const IDLE_MS = 2_000;
const HIDDEN_MS = 5_000;
const LONGEST_BACK_OFF_MS = 10_000;
const BUSY_FOR_MS = 120_000;

/**
 * Reads what is new and hands it on. `onNews(answer)` gets every answer, `onConnection(error)` the trouble, or null
 * when it is over. `expecting()` says whether the page waits for something that the server does not know of yet.
 */
export class Feed {
  constructor({ onNews, onConnection, expecting }) {
    this.onNews = onNews;
    this.onConnection = onConnection;
    this.expecting = expecting;
    this.last = null;
    this.failures = 0;
    this.working = false;
    this.busySince = 0;
    this.timer = 0;
    this.reading = false;
    this.again = false;
    document.addEventListener("visibilitychange", () => document.hidden || this.nudge());
    addEventListener("online", () => this.nudge());
    addEventListener("pageshow", (event) => event.persisted && this.nudge());
  }

  /** Read now. */
  nudge() {
    this.busySince = Date.now();
    clearTimeout(this.timer);
    if (this.reading) this.again = true;
    else this.#read();
  }

  async #read() {
    this.reading = true;
    this.again = false;
    try {
      const answer = await readEvents(this.last === null ? {} : { after: this.last });
      const first = this.last === null;
      this.again ||= answer.more && !first;
      this.last = answer.last;
      this.#recovered();
      if (answer.items.length) this.busySince = Date.now();
      this.working = answer.working;
      this.onNews(answer, first);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.reading = false;
    }
    this.timer = setTimeout(() => this.#read(), this.again ? 0 : this.#pause());
  }

  #recovered() {
    const wasAway = this.failures > 0;
    this.failures = 0;
    if (wasAway) this.onConnection(null);
  }

  #failed(error) {
    if (error.status === undefined) console.error(error); // a bug of ours, not the server
    this.failures += 1;
    this.onConnection(error);
  }

  #pause() {
    if (this.failures) {
      const wait = Math.min(BUSY_MS * 2 ** (this.failures - 1), LONGEST_BACK_OFF_MS);
      return wait * (0.75 + Math.random() / 2); // many pages must not come back at the same moment
    }
    if (document.hidden) return HIDDEN_MS;
    const busy = this.working || this.expecting();
    return busy && Date.now() - this.busySince < BUSY_FOR_MS ? BUSY_MS : IDLE_MS;
  }
}
