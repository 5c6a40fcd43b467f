"""Tool results in friendly words."""

from __future__ import annotations

import re

from shared.models.demo.reading import Heard

PAGE_CHARACTERS = 700
_QUOTED = re.compile(r"\[begin (\w+)\]\n(.*?)\n\[end \1\]", re.DOTALL)


def answer(heard: Heard) -> str:
    """One answer from the results of the last calls."""
    return "\n\n".join(
        _phrase(call["name"], call["args"], result.text, failed=result.status == "error")
        for call, result in heard.results
    )


def _phrase(tool: str, arguments: dict[str, object], text: str, *, failed: bool) -> str:
    text = text.strip()
    if failed:
        return f"That did not work: {text}"
    if tool == "calculate":
        return text if "=" in text else f"{arguments.get('expression')} = **{text}**"
    if tool in ("read_web_page", "read_file"):
        quoted = _QUOTED.search(text)
        return _beginning(quoted[2] if quoted else text)
    return text or "Done."


def _beginning(text: str) -> str:
    if len(text) <= PAGE_CHARACTERS:
        return text
    return f"{text[:PAGE_CHARACTERS].rsplit(' ', 1)[0]} …\n\n(That is the beginning.)"
