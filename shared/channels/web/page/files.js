// Files that wait in the message box: uploaded at once, so that sending is quick.

import { announce, byId, icon, make, readableSize } from "./dom.js";
import { upload } from "./server.js";

const MOST = 10;

/** The files beside the message that is being written. `onChange()` is called whenever something about them changes. */
export class Tray {
  constructor({ onChange }) {
    this.onChange = onChange;
    this.list = byId("tray");
    this.limit = Number(document.body.dataset.maxFileBytes) || Infinity;
    this.files = [];
  }

  get empty() {
    return this.files.length === 0;
  }

  /** True when every file is on the server. */
  get ready() {
    return this.files.every((one) => one.stored);
  }

  /** Attach files, as a picker, the clipboard or a drop gives them. */
  add(files) {
    for (const file of files) {
      if (this.files.length >= MOST) {
        announce(`A message takes at most ${MOST} files`);
        break;
      }
      const one = { file, stored: null, problem: "", node: null, stop: () => {} };
      this.files.push(one);
      this.#draw(one);
      this.#upload(one);
    }
    this.#changed();
  }

  /** Take the stored files out, for a message. */
  take() {
    const stored = this.files.map((one) => one.stored);
    this.files.forEach((one) => this.#forget(one));
    this.files = [];
    this.#changed();
    return stored;
  }

  async #upload(one) {
    one.problem = one.file.size > this.limit ? `Too large: at most ${readableSize(this.limit)}` : "";
    if (!one.file.size) one.problem = "The file is empty";
    if (!one.problem) {
      const bar = one.node.querySelector("progress");
      bar.hidden = false;
      const { stored, stop } = upload(one.file, (part) => (bar.value = part));
      one.stop = stop;
      try {
        one.stored = await stored;
      } catch (error) {
        one.problem = error.message;
      }
      bar.hidden = true;
    }
    if (!this.files.includes(one)) return;
    this.#showResult(one);
    this.#changed();
  }

  #showResult(one) {
    const words = one.problem || readableSize(one.file.size);
    one.node.classList.toggle("failed", Boolean(one.problem));
    one.node.querySelector("small").textContent = words;
    one.node.querySelector(".again").hidden = !one.problem || one.file.size > this.limit || !one.file.size;
    announce(one.problem ? `${one.file.name}: ${one.problem}` : `${one.file.name} is attached`);
  }

  #draw(one) {
    const { name } = one.file;
    const picture = /^image\/(png|jpeg|gif|webp|avif)$/.test(one.file.type);
    const again = make("button", { type: "button", class: "again quiet", text: "Try again", hidden: true, onclick: () => this.#upload(one) });
    const remove = make(
      "button",
      { type: "button", class: "round", "aria-label": `Remove ${name}`, title: "Remove", onclick: () => this.#remove(one) },
      icon("close"),
    );
    one.node = make(
      "li",
      { class: "chip" },
      picture ? make("img", { src: (one.preview = URL.createObjectURL(one.file)), alt: "" }) : icon("file"),
      make("span", { class: "label" }, make("b", { text: name }), make("small", { text: "Uploading…" })),
      again,
      remove,
      make("progress", { max: "1", value: "0", "aria-label": `Uploading ${name}`, hidden: true }),
    );
    this.list.append(one.node);
  }

  #remove(one) {
    this.files = this.files.filter((other) => other !== one);
    one.stop();
    this.#forget(one);
    this.#changed();
    byId("text").focus();
  }

  #forget(one) {
    one.node.remove();
    if (one.preview) URL.revokeObjectURL(one.preview);
  }

  #changed() {
    this.list.hidden = this.empty;
    this.onChange();
  }
}
