"""What the demo model says without a tool."""

from __future__ import annotations

import re

from shared.models.demo.reading import Heard, Sent

DEMO = (
    "I'm the built-in demo model: I follow simple rules and understand little more than the examples that `help` shows. "
    "To talk to a real model, set a key such as `OPENAI_API_KEY` and start Praxos again."
)
HELP = f"""{DEMO}

Try one of these:
- `what time is it in Tokyo` · `convert 15:00 from Berlin to New York`
- `what is 12*7+3`
- `remind me in 1 minute to stretch` · `remind me tomorrow at 9 to call Bob`
- `my reminders` · `move the reminder stretch to 10:00` · `cancel the reminder stretch`
- `remember that my cat is called Tom` · `what do you remember about my cat` · `forget my cat`
- `read https://example.com`
- `write a file notes.txt with milk and bread` · or send me a file
- `my time zone is Europe/Berlin`
- `count to 10 slowly`, and write something meanwhile · `stop counting`
- `ask me which colour: red, green, blue`
- `post "hello" to https://example.com/hook`"""


def greeting(_: re.Match[str], heard: Heard) -> str:
    """Hello, and what this is."""
    name = f", {heard.person}" if heard.person else ""
    return f"Hello{name}! {DEMO}\n\nSay `help` to see what I can do."


def echo(heard: Heard) -> str:
    """The message back, for one that no rule knows; at a conversation's beginning with a word on why."""
    said = f"You said: {heard.text}"
    return f"{said}\n\n{DEMO}" if heard.first else said


def files(heard: Heard) -> str:
    """Which files came, and what can be done with them."""
    lines = [f"Thank you, I got {', '.join(map(_shown, heard.files))}."]
    if any(sent.media_type.startswith("image/") for sent in heard.files):
        lines.append("I'm the demo model and cannot see pictures; a real model can.")
    elif any(sent.media_type.startswith("text/") for sent in heard.files):
        lines.append("Say `read it` together with a file to see what is in it.")
    if heard.text.strip():
        lines.append(f"You said: {heard.text}")
    return "\n\n".join(lines)


def _shown(sent: Sent) -> str:
    if sent.size is None:
        return f"**{sent.name}** ({sent.media_type})"
    size = f"{sent.size / 1000:.1f} kB" if sent.size >= 1000 else f"{sent.size} bytes"
    return f"**{sent.name}** ({sent.media_type}, {size})"
