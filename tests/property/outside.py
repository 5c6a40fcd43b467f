"""What lies outside: the services that tools change, and the platform that takes replies. It counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared.messages import Permanent


@dataclass
class Outside:
    """What really happened."""

    happened: Counter[str] = field(default_factory=Counter)
    """How often each effect did: by the event and the position of the word that asked for it."""
    allowed: Counter[str] = field(default_factory=Counter)
    """How often the person said of an effect: do it once more."""
    looked_for: set[str] = field(default_factory=set)
    """Effects of which somebody looked whether they had happened: a frozen process may still do them afterwards."""
    failed: set[str] = field(default_factory=set)
    """What has failed for good, and would not fail again."""
    sent: list[tuple[str, str, bool]] = field(default_factory=list)
    """What the platform took: key, text, and whether it said that it may be a repeat."""
    model_is_there: bool = True
    wrong: list[str] = field(default_factory=list)

    def do(self, effect: str) -> None:
        """An effect happens."""
        self.happened[effect] += 1
        if self.happened[effect] > 1 + self.allowed[effect]:
            self.wrong.append(f"the effect {effect} happened {self.happened[effect]} times, unasked")

    def fail_once(self, step: str) -> None:
        """Raises Permanent the first time."""
        if step not in self.failed:
            self.failed.add(step)
            raise Permanent(f"{step} fails, says the test")

    def has_happened(self, effect: str) -> bool:
        """Somebody looks."""
        self.looked_for.add(effect)
        return self.happened[effect] > 0

    def take(self, key: str, text: str, repeat: bool) -> str:
        """The platform takes a part."""
        # One copy may be without the label, also a late one: a frozen process may send what it was about to.
        if not repeat and any(key == before and not labelled for before, _, labelled in self.sent):
            self.wrong.append(f"{text!r} was sent again, and does not say so")
        self.sent.append((key, text, repeat))
        return f"m{len(self.sent)}"
