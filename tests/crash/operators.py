"""An operator, who tries one dead letter again and puts another one aside, however often the host dies meanwhile."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from shared.conversation.dead_letter_records import DeadLetter
from shared.pipeline.dead_letter_views import letter_id
from shared.ports import Partition
from tests.crash import truth
from tests.crash.waiting import until
from tests.fakes.host_key import host_key

TIMEOUT = aiohttp.ClientTimeout(total=20)


class Operator:
    """Asks the host over HTTP, and looks into the store whether it was done."""

    def __init__(self, home: Path, port: int, *, patience: float) -> None:
        self._home = home
        self._url = f"http://127.0.0.1:{port}/api/operations/dead-letters"
        self._patience = patience

    async def replay(self, partition: Partition, document: str) -> None:
        """Replay a letter as soon as it is there."""
        await self._do("replay", partition, document)

    async def discard(self, partition: Partition, document: str) -> None:
        """Discard a letter as soon as it is there."""
        await self._do("discard", partition, document)

    async def _do(self, what: str, partition: Partition, document: str) -> None:
        store = truth.open_store(self._home)
        headers = {"x-functions-key": await host_key(self._home)}
        url = f"{self._url}/{letter_id(partition, document)}/{what}"

        async def done() -> bool:
            found = await store.read(partition=partition, id=document)
            if found is None:
                return False
            if any(action.what == what for action in DeadLetter.model_validate(found.body).actions):
                return True
            try:
                async with http.post(url, headers=headers) as response:
                    assert response.status in (200, 404, 409, 500, 503), await response.text()
            except (aiohttp.ClientError, TimeoutError, OSError):
                return False  # the host was killed, frozen or is not there yet
            return False

        try:
            async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
                await until(done, seconds=self._patience, what=f"{what} of {document}")
        finally:
            await store.close()
