"""What the demo model does next in a run: it answers everything that the person said, and goes on with what it began.

It keeps nothing: each time it reads the run again, sees what was called for which message, and calls what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.models.demo import counting, phrases, rules, words
from shared.models.demo.reading import Done, Heard, Run
from shared.models.demo.rules import Wanted

NOT_HERE = "I understand what you want, but the tool for it is not switched on here."


def choose(run: Run, *, tools: Collection[str]) -> str | Sequence[Wanted]:
    """What to say, which ends the run, or which tools to call."""
    count = counting.read(run)
    told: list[str] = []
    missing: list[Wanted] = []
    for n, heard in enumerate(run.said):
        if count and not run.opens(heard) and counting.is_stop(heard.text):
            continue
        answer = rules.find(heard)
        if isinstance(answer, Wanted) and answer.tool in tools:
            if not _was_called(run, heard, answer) and not _was_stopped(answer, run.said[n + 1 :]):
                missing.append(answer)
        elif isinstance(answer, Wanted):
            told.append(NOT_HERE)
        else:
            told.append(answer or _unknown(run, heard))
    if missing:
        return missing
    if count and count.goes_on():
        return [Wanted(counting.TOOL, count.next())]
    ended = [count.said()] if count else []
    return "\n\n".join([*ended, *_results([*run.earlier, *run.done]), *told])


def _unknown(run: Run, heard: Heard) -> str:
    if run.done and not heard.files:
        return f"Meanwhile you said: {heard.text}"
    return words.files(heard) if heard.files else words.echo(heard)


def _was_called(run: Run, heard: Heard, wanted: Wanted) -> bool:
    """Whether it was called for this message, and the call was not skipped because the person went on speaking."""
    later = [done for done in run.done if done.place > heard.place and done.call["name"] == wanted.tool]
    total = counting.total(wanted.arguments)
    if total:  # a counting sees to its skipped steps itself
        found = any(counting.total(done.call["args"]) == total for done in later)
    else:
        # Who approves a call may have changed its arguments: then it is the one of that name.
        exact = [done for done in later if done.call["args"] == wanted.arguments]
        found = any(not phrases.was_skipped(done) for done in exact or later)
        later = exact or later
    # What the opening asked for was called before all else; of a long run it may not be there any more.
    return found or (run.opens(heard) and bool(run.done) and not later)


def _was_stopped(wanted: Wanted, later: Sequence[Heard]) -> bool:
    return bool(counting.total(wanted.arguments)) and any(counting.is_stop(heard.text) for heard in later)


def _results(calls: Sequence[Done]) -> list[str]:
    """The results in words, without the steps of a counting, and without calls that were skipped and made later."""
    told = [done for done in calls if not counting.is_step(done)]
    return [
        phrases.of(done)
        for n, done in enumerate(told)
        if not (phrases.was_skipped(done) and any(_again(done, later) for later in told[n + 1 :]))
    ]


def _again(done: Done, later: Done) -> bool:
    return (done.call["name"], done.call["args"]) == (later.call["name"], later.call["args"])
