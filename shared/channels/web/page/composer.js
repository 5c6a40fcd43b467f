// The message box: writing, attaching by picker, paste and drop, and sending.

import { byId } from "./dom.js";
import { Tray } from "./files.js";

const DRAFT = "praxos.draft";
const LONGEST = 50_000;
const touch = matchMedia("(pointer: coarse)");

/** `onSend({text, files})` is called with what is to be said. */
export class Composer {
  constructor({ onSend }) {
    this.onSend = onSend;
    this.text = byId("text");
    this.button = byId("send");
    this.tray = new Tray({ onChange: () => this.#refresh() });
    this.text.value = sessionStorage.getItem(DRAFT) ?? "";
    this.text.enterKeyHint = touch.matches ? "enter" : "send";
    this.#listen();
    this.#refresh();
  }

  focus() {
    // On a phone it would open the keyboard over the conversation.
    if (!touch.matches) this.text.focus({ preventScroll: true });
  }

  #listen() {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.text.addEventListener("input", () => this.#refresh());
    this.text.addEventListener("keydown", (event) => {
      const plain = event.key === "Enter" && !event.shiftKey && !event.altKey && !event.isComposing;
      // On a phone Enter is the only way to a new line.
      if (plain && (!touch.matches || event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.#submit();
      }
    });
    this.text.addEventListener("paste", (event) => this.#paste(event));
    const picker = byId("picker");
    byId("attach").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      this.tray.add(picker.files);
      picker.value = "";
      this.focus();
    });
    this.#listenToDrops();
  }

  #listenToDrops() {
    const drop = byId("drop");
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    let inside = 0; // entering a child comes before leaving its parent
    addEventListener("dragenter", (event) => {
      if (!carriesFiles(event)) return;
      inside += 1;
      drop.hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (!carriesFiles(event)) return;
      inside = Math.max(0, inside - 1);
      drop.hidden = inside === 0;
    });
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      inside = 0;
      drop.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.tray.add(event.dataTransfer.files);
      this.focus();
    });
  }

  #paste(event) {
    const files = event.clipboardData?.files ?? [];
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    if (files.length) {
      event.preventDefault();
      this.tray.add(files);
    } else if (pasted.length + this.text.value.length > LONGEST) {
      event.preventDefault();
      this.tray.add([new File([pasted], "pasted.txt", { type: "text/plain" })]);
    }
  }

  #submit() {
    const text = this.text.value.trim();
    if ((!text && this.tray.empty) || !this.tray.ready) return;
    this.text.value = "";
    const files = this.tray.take();
    this.onSend({ text: text.toWellFormed?.() ?? text, files });
    this.#refresh();
    this.text.focus();
  }

  #refresh() {
    const uploading = !this.tray.ready;
    this.button.disabled = (!this.text.value.trim() && this.tray.empty) || uploading;
    this.button.title = uploading ? "Waits for the files" : "Send";
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
    try {
      sessionStorage.setItem(DRAFT, this.text.value);
    } catch {
      // Without storage a draft is lost with the page, and nothing else.
    }
  }
}
