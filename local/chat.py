"""`python -m local chat`: talk in a terminal to an assistant that runs on this machine."""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from local.chat_client import ChatClient, ChatError, Events, File, Item
from shared.messages import Button, SettingError
from shared.ports import Channel

POLL_SECONDS = 0.4
GLANCE_SECONDS = 2.0
PATIENCE_SECONDS = 300.0
"""How long a silent assistant is waited for."""

HELP = """\
What you type goes to the assistant; /help asks it what it can do. Lines that start with a colon stay here:
  :1             press the first button of the last message
  :attach PATH   put a file beside the next message
  :save N PATH   keep the N-th file of this conversation
  :quit          end (so does Ctrl-D)"""


@runtime_checkable
class _LetsTerminalIn(Channel, Protocol):
    """The channel that a terminal talks through."""

    @property
    def terminal_token(self) -> str: ...


def main(arguments: argparse.Namespace) -> int:
    """Talk until the input ends; where the arguments have words, say those, print the answer and end."""
    try:
        return asyncio.run(_run(url=arguments.url, words=" ".join(arguments.words)))
    except (ChatError, SettingError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
        return 130


async def _run(*, url: str, words: str) -> int:
    from shared.app import App

    app = App()
    channel = await app.channel("web")
    if not isinstance(channel, _LetsTerminalIn):
        raise SettingError("The web chat, which a terminal talks through, is not installed.")
    url = url or f"http://127.0.0.1:{app.settings.port}"
    async with ChatClient(url=url, token=channel.terminal_token) as client:
        talk = Talk(client)
        await talk.skip_history()
        if words:
            await talk.say(words)
            return 0
        return await _converse(talk)


async def _converse(talk: Talk) -> int:
    interactive = sys.stdin.isatty()
    if interactive:
        print("Talking to Praxos. :help says what else you can do here.")
    lines, failed = _lines(), False
    while True:
        if interactive:
            print("> ", end="", flush=True)
        line = await _next_line(lines, talk)
        if line is None or line == ":quit":
            print(end="\n" if interactive and line is None else "")
            return int(failed)
        try:
            await talk.enter(line)
        except ChatError as error:
            print(error, file=sys.stderr)
            failed = True


async def _next_line(lines: asyncio.Queue[str | None], talk: Talk) -> str | None:
    """The next line. While there is none, what the assistant says by itself, such as a reminder, is printed."""
    while True:
        try:
            async with asyncio.timeout(GLANCE_SECONDS):
                return await lines.get()
        except TimeoutError:
            with suppress(ChatError):  # the host may be restarting; saying something will tell
                await talk.glance()


def _lines() -> asyncio.Queue[str | None]:
    """The lines of the standard input as they come; None at its end."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        # Unbuffered: a thread that waits inside a buffer's lock would break the interpreter's end.
        with io.FileIO(0, closefd=False) as stdin, suppress(RuntimeError):
            while line := stdin.readline():
                loop.call_soon_threadsafe(lines.put_nowait, line.decode("utf-8", "replace").rstrip("\r\n"))
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines


class Talk:
    """The conversation of this terminal."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client
        self._last = 0
        self._attached: list[File] = []
        self._files: list[File] = []
        self._buttons: list[Button] = []
        self._progress = ""

    async def skip_history(self) -> None:
        """What was said before is not printed again."""
        self._last = (await self._client.events()).last

    async def enter(self, line: str) -> None:
        """Do what a typed line asks for."""
        command, _, rest = line.partition(" ")
        if not line.strip():
            return
        if not command.startswith(":"):
            await self.say(line)
        elif command == ":attach":
            file = await self._client.upload(_path(rest))
            self._attached.append(file)
            print(f"  {file.name} goes with your next message.")
        elif command == ":save":
            await self._save(rest)
        elif command[1:].isdecimal() and 0 < int(command[1:]) <= len(self._buttons):
            button = self._buttons[int(command[1:]) - 1]
            await self.say(button.label, button=button.value)
        else:
            print(HELP)

    async def say(self, text: str, *, button: str = "") -> None:
        """Say something and print what comes back. Raises ChatError where nothing does."""
        files, self._attached = tuple(self._attached), []
        try:
            said = await self._client.post(text=text, files=files, button=button)
        except ChatError:
            self._attached = list(files)
            raise
        loop = asyncio.get_running_loop()
        heard, deadline = False, loop.time() + PATIENCE_SECONDS
        while loop.time() < deadline:
            events = await self._client.events(after=self._last)
            heard = heard or any(item.id == said for item in events.items)
            self._print(events)
            if heard and not events.working and not events.more:
                return
            if events.items or events.progress:
                deadline = loop.time() + PATIENCE_SECONDS
            await asyncio.sleep(0 if events.more else POLL_SECONDS)
        self._clear_progress()
        raise ChatError("No answer so far. Your message is kept: look again later, here or with /status.")

    async def glance(self) -> None:
        """Print what is new."""
        events = await self._client.events(after=self._last)
        if events.items and sys.stdout.isatty():
            print("\r", end="")
        self._print(events)
        if events.items and sys.stdin.isatty():
            print("> ", end="", flush=True)

    async def _save(self, rest: str) -> None:
        number, _, path = rest.strip().partition(" ")
        if not number.isdecimal() or not 0 < int(number) <= len(self._files):
            raise ChatError(
                f"Say which file, from 1 to {len(self._files)}." if self._files else "There is no file yet."
            )
        file = self._files[int(number) - 1]
        target = _path(path or Path(file.name).name)
        content = await self._client.download(file)
        try:
            with target.open("xb") as out:
                out.write(content)
        except OSError as error:
            raise ChatError(f"{target} cannot be written: {error.strerror}") from None
        print(f"  Saved as {target}.")

    def _print(self, events: Events) -> None:
        if events.items:
            self._clear_progress()
        for item in events.items:
            if item.role != "person":
                self._print_item(item)
        self._last = events.last
        self._show_progress(events.progress.text if events.progress else "")

    def _print_item(self, item: Item) -> None:
        if item.text:
            print(_printable(item.text))
        for file in item.attachments:
            self._files.append(file)
            size = "" if file.size is None else f", {file.size} bytes"
            print(f"  [{_printable(file.name)}{size}; :save {len(self._files)} keeps it]")
        if item.buttons:
            self._buttons = [button for row in item.buttons for button in row]
            print("  " + "   ".join(f":{n} {_printable(button.label)}" for n, button in enumerate(self._buttons, 1)))
        sys.stdout.flush()

    def _show_progress(self, text: str) -> None:
        if text != self._progress and sys.stdout.isatty():
            self._clear_progress()
            print(f"  {_printable(text)}…" if text else "", end="", flush=True)
            self._progress = text

    def _clear_progress(self) -> None:
        if self._progress:
            print("\r\x1b[K", end="", flush=True)
            self._progress = ""


def _path(typed: str) -> Path:
    return Path(typed.strip()).expanduser()


def _printable(text: str) -> str:
    """Without what a terminal would act on: text from the web must not move the cursor or set the title."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
