"""A model service that breaks its answers in ways in which a well-behaved server cannot, on a free loopback port."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OPENAI_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_772_000_000,
    "model": "any",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
GEMINI_ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}


@dataclass(frozen=True, slots=True)
class Raw:
    """What is written to the connection. `missing` bytes are announced and never sent; then the connection is closed."""

    body: bytes
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0


def answered(answer: Any, **changes: Any) -> Raw:
    """A whole answer, with these top-level fields changed."""
    return Raw(json.dumps({**answer, **changes}).encode())


SILENCE = Raw(b"", status="")
"""The connection is closed without an answer."""


@dataclass
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ModelServer:
    """Answers each request with the next of its answers, the last again and again."""

    url: str = ""
    answers: deque[Raw] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    def will(self, *answers: Raw) -> None:
        """Set the answers."""
        self.answers = deque(answers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Request(first.split(" ")[1], headers, json.loads(body)))
            answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
            if answer.status:
                length = len(answer.body) + answer.missing
                extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
                writer.write(
                    f"HTTP/1.1 {answer.status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{extra}"
                    "Connection: close\r\n\r\n".encode()
                )
                writer.write(answer.body)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[ModelServer]:
    """A server that runs inside the block."""
    served = ModelServer()
    server = await asyncio.start_server(served._serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()
