// What stands inside a bubble: the server's HTML, or plain text; links, code to copy, tables to scroll.

import { announce, copy, icon, make } from "./dom.js";

const ALLOWED = new Set(
  ("A B BLOCKQUOTE BR CODE DEL DIV EM H1 H2 H3 H4 H5 H6 HR I LI OL P PRE S SPAN STRONG TABLE TBODY TD TH THEAD TR UL").split(" "),
);
const ATTRIBUTES = new Set(["href", "rel", "target", "class", "role", "aria-label", "tabindex", "start"]);
const LINK = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}*_]/g;

/** The server's HTML as elements. It is safe already; whatever is not on the list is dropped here once more. */
export function markdown(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html"); // runs nothing, loads nothing
  for (const element of parsed.body.querySelectorAll("*")) {
    if (!ALLOWED.has(element.tagName)) {
      element.remove();
      continue;
    }
    for (const { name } of [...element.attributes]) {
      if (!ATTRIBUTES.has(name)) element.removeAttribute(name);
    }
    if (element.tagName === "A" && !/^(https?|mailto):/i.test(element.getAttribute("href") ?? "")) element.removeAttribute("href");
  }
  const content = make("div", { class: "markdown" }, ...parsed.body.childNodes);
  content.querySelectorAll("pre").forEach(frame);
  linkAddresses(content);
  return content;
}

/** What a person wrote, as it was written. */
export function plain(text) {
  const content = make("div", { text });
  linkAddresses(content);
  return content;
}

/** Make web addresses in the text of an element links. */
function linkAddresses(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.includes("://") && !node.parentElement.closest("a, pre, code")) found.push(node);
  }
  for (const node of found) {
    const pieces = [];
    let end = 0;
    for (const match of node.data.matchAll(LINK)) {
      pieces.push(node.data.slice(end, match.index), link(match[0]));
      end = match.index + match[0].length;
    }
    if (pieces.length) node.replaceWith(...pieces, node.data.slice(end));
  }
}

function link(address) {
  return make("a", { href: address, rel: "noopener noreferrer", target: "_blank", text: address });
}

/** Put a bar with the language and a copy button above a block of code. */
function frame(block) {
  const code = block.querySelector("code");
  const language = /(?:^|\s)language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "Code";
  const button = copyButton("Copy", () => (code ?? block).textContent);
  const box = make("div", { class: "code" }, make("header", {}, make("span", { text: language }), button));
  block.replaceWith(box);
  block.setAttribute("tabindex", "0"); // wide code is scrolled with the keyboard too
  block.setAttribute("role", "region");
  block.setAttribute("aria-label", `${language} block`);
  box.append(block);
}

/** A button that copies what `read` returns, and shows that it did. */
export function copyButton(label, read, { quiet = false } = {}) {
  const button = make("button", { type: "button", class: quiet ? "copy" : undefined });
  const show = (name, words) => {
    button.replaceChildren(icon(name), quiet ? "" : words);
    if (quiet) button.setAttribute("aria-label", label);
  };
  show("copy", label);
  if (quiet) button.title = label;
  button.addEventListener("click", async () => {
    const done = await copy(read());
    announce(done ? "Copied" : "This browser does not allow copying");
    if (!done) return;
    show("done", "Copied");
    button.classList.add("done");
    setTimeout(() => {
      show("copy", label);
      button.classList.remove("done");
    }, 1600);
  });
  return button;
}
