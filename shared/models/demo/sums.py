"""Sums in words, turned into the expression that the calculator takes."""

from __future__ import annotations

import re

_WORDS = (
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\b(?:times|multiplied by)\b|[×·]", "*"),
    (r"(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\b(?:divided by|over)\b|÷", "/"),
    (r"\b(?:to the power of|raised to)\b|\^", "**"),
    (r"\bsquared\b", "**2"),
    (r"\bcubed\b", "**3"),
    (r"\b(?:the )?square root of\s*\(?([\d.]+)\)?", r"sqrt(\1)"),
    (r"(\d+(?:\.\d+)?)\s*(?:%|percent) of\s*", r"\1% * "),
    (r"\bmod(?:ulo)?\b", "%"),
    (r"−", "-"),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"\bpi\b|π", "pi"),
)
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SUBSTITUTES = tuple(
    (re.compile(pattern, re.IGNORECASE), by)
    for pattern, by in (*((rf"\b{word}\b", str(number)) for number, word in enumerate(_NUMBERS)), *_WORDS)
)
_SUM = re.compile(r"(?:[\d\s.+*/%()-]|sqrt|pi)+")
_OPERATION = re.compile(r"[+*/%]|sqrt|\d\s*-\s*\d|\)\s*-|-\s*\(")


def expression(text: str) -> str:
    """The expression that a text means, or "" where it is none."""
    for pattern, by in _SUBSTITUTES:
        text = pattern.sub(by, text)
    text = text.strip(" =")
    return text if _SUM.fullmatch(text) and _OPERATION.search(text) else ""
