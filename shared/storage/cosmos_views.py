"""What a client knows to be out of date: versions that the service refused, and that a read may still show it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from shared.ports import Create, Delete, Document, Operation, Partition, Put, Replace

REMEMBERED = 1000
ABSENT = ""
"""The version of a document that was not seen, although it exists."""


class Views:
    """Where an account lets a client see others' writes late, whoever was refused would read the same again, and be
    refused again. A read that shows a version known to be out of date is done once more, a little later.
    """

    def __init__(self) -> None:
        self._refused: OrderedDict[tuple[Partition, str], str] = OrderedDict()

    def refused(self, partition: Partition, operation: Operation) -> None:
        """The service did not take a write that was conditional on what had been seen."""
        match operation:
            case Replace(id=id, etag=etag) | Delete(id=id, etag=etag):
                self._note(partition, id, etag)
            case Create(id=id):
                self._note(partition, id, ABSENT)
            case Put():
                pass

    def outdated(self, partition: Partition, id: str, found: Document | None) -> bool:
        """Whether this is a version that was refused. Any other one is news, and ends the matter."""
        noted = self._refused.get((partition, id))
        if noted is None:
            return False
        if noted == (found.etag if found else ABSENT):
            return True
        self._refused.pop((partition, id))
        return False

    def any_outdated(self, found: Iterable[Document]) -> bool:
        """Whether one of these is a version that was refused."""
        return any(self._refused.get((one.partition, one.id)) == one.etag for one in found)

    def _note(self, partition: Partition, id: str, etag: str) -> None:
        self._refused[partition, id] = etag
        self._refused.move_to_end((partition, id))
        if len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
