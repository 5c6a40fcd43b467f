// The conversation on the page: in the server's order, then what is still on its way.

import { byId, make } from "./dom.js";
import { pending, published, settle, showState } from "./message.js";

const NEAR_PX = 80;
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

/** Shows messages. `press(button)` is called for a choice; `act` has `retry(id)` and `drop(id)`. */
export class Log {
  constructor({ press, act }) {
    this.press = press;
    this.act = act;
    this.log = byId("log");
    this.scroller = byId("scroller");
    this.jump = byId("jump");
    this.pending = new Map();
    this.first = null;
    this.shown = new Set();
    this.atEnd = true;
    this.unread = 0;
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.jump.addEventListener("click", () => {
      this.toEnd();
      byId("text").focus();
    });
    // Pictures that load and a message box that grows must not push the newest message out of sight.
    const observer = new ResizeObserver(() => this.atEnd && this.toEnd());
    observer.observe(byId("column"));
    observer.observe(this.scroller);
  }

  get empty() {
    return this.shown.size === 0 && this.pending.size === 0;
  }

  /** Show what the server published; returns the ids of this page's messages among it. */
  add(items, { initial = false } = {}) {
    const confirmed = [];
    for (const item of items) {
      if (this.shown.has(item.n)) continue;
      this.shown.add(item.n);
      this.first = Math.min(this.first ?? item.n, item.n);
      const own = item.role === "person" ? this.pending.get(item.id) : undefined;
      const node = own ?? published(item, this.press);
      if (own) {
        settle(own, item);
        this.pending.delete(item.id);
        confirmed.push(item.id);
      }
      this.#place(node, !initial && !own);
      if (!initial && item.role !== "person" && (!this.atEnd || document.hidden)) this.unread += 1;
    }
    this.#days();
    this.log.removeAttribute("aria-busy");
    this.#follow();
    return confirmed;
  }

  /** Show older items above, without moving what is being read. */
  prepend(items) {
    const height = this.scroller.scrollHeight;
    const nodes = items.filter((item) => !this.shown.has(item.n)).map((item) => {
      this.shown.add(item.n);
      return published(item, this.press);
    });
    if (items.length) this.first = Math.min(this.first, items[0].n);
    this.log.setAttribute("aria-busy", "true"); // old messages are not news
    this.log.prepend(...nodes);
    this.#days();
    this.scroller.scrollTop += this.scroller.scrollHeight - height;
    requestAnimationFrame(() => this.log.removeAttribute("aria-busy"));
  }

  /** Show a message of this page that is on its way, or what became of it. */
  track(message) {
    const known = this.pending.get(message.id);
    if (known) {
      showState(known, message, this.act);
      return;
    }
    const node = pending(message, this.act);
    node.classList.add("fresh");
    this.pending.set(message.id, node);
    this.log.append(node);
    this.toEnd();
  }

  /** Forget a message that could not be sent. */
  drop(id) {
    this.pending.get(id)?.remove();
    this.pending.delete(id);
  }

  /** Scroll to the newest message. */
  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.atEnd = true;
    if (!document.hidden) this.unread = 0;
    this.#showJump();
  }

  /** The person looks at the page again. */
  seen() {
    if (this.atEnd) this.unread = 0;
    this.#showJump();
  }

  #place(node, fresh) {
    if (fresh) node.classList.add("fresh");
    const next = this.log.querySelector(".message:not([data-n])");
    // Moving a node would make a screen reader read it once more.
    if (!node.isConnected || (next && next.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING)) {
      this.log.insertBefore(node, next);
    }
  }

  #days() {
    let day = "";
    for (const node of [...this.log.children]) {
      if (node.classList.contains("day")) {
        if (node.nextElementSibling?.dataset.at === undefined) node.remove();
        continue;
      }
      const at = new Date(node.dataset.at);
      const before = node.previousElementSibling?.classList.contains("day") ? node.previousElementSibling : null;
      if (at.toDateString() === day) before?.remove();
      else if (!before) node.before(make("div", { class: "day", text: dayName(at) }));
      day = at.toDateString();
    }
  }

  #follow() {
    if (this.atEnd) this.toEnd();
    else this.#showJump();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.atEnd && !document.hidden) this.unread = 0;
    this.#showJump();
  }

  #showJump() {
    const { scrollHeight, clientHeight } = this.scroller;
    this.jump.hidden = this.atEnd || scrollHeight <= clientHeight;
    this.jump.classList.toggle("news", this.unread > 0);
    const news = this.unread === 1 ? "1 new message" : `${this.unread} new messages`;
    this.jump.querySelector("span").textContent = this.unread ? news : "Newest messages";
    document.title = this.unread ? `(${this.unread}) Praxos` : "Praxos";
  }
}

function dayName(date) {
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return "Today";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  return date.getFullYear() === now.getFullYear() ? weekday.format(date) : full.format(date);
}
