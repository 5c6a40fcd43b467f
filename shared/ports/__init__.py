"""What can be swapped, as Protocols with keyword-only arguments. Plug-ins import this and what lies below it."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.ports.channels import (
        Capabilities,
        Channel,
        Parsed,
        Registrable,
        Sending,
        WebhookRequest,
        WebhookResponse,
    )
    from shared.ports.checkpoints import Checkpoints, MemoryStore
    from shared.ports.clock import Clock
    from shared.ports.exporters import Exporter
    from shared.ports.files import Files, StoredFile
    from shared.ports.models import ModelProvider
    from shared.ports.orchestrations import Orchestrations
    from shared.ports.parts import Parts
    from shared.ports.people import Limits, Memo, Memory, Preferences, Reminder, Reminders
    from shared.ports.queue_reports import Examinable, QueueDepth, QueueDepths, Remark
    from shared.ports.queues import Broker, Queue, QueueMessage, Received
    from shared.ports.secrets import SecretStore
    from shared.ports.store import (
        BATCH_BYTES,
        BATCH_OPERATIONS,
        Create,
        Delete,
        Document,
        Json,
        Operation,
        Page,
        Partition,
        Put,
        Replace,
        Store,
    )
    from shared.ports.tools import (
        Asking,
        Checkable,
        Describing,
        Effect,
        Explaining,
        Permission,
        Repeatable,
        Tool,
        ToolContext,
        ToolError,
        ToolResult,
    )

__all__ = [
    "BATCH_BYTES",
    "BATCH_OPERATIONS",
    "Asking",
    "Broker",
    "Capabilities",
    "Channel",
    "Checkable",
    "Checkpoints",
    "Clock",
    "Create",
    "Delete",
    "Describing",
    "Document",
    "Effect",
    "Examinable",
    "Explaining",
    "Exporter",
    "Files",
    "Json",
    "Limits",
    "Memo",
    "Memory",
    "MemoryStore",
    "ModelProvider",
    "Operation",
    "Orchestrations",
    "Page",
    "Parsed",
    "Partition",
    "Parts",
    "Permission",
    "Preferences",
    "Put",
    "Queue",
    "QueueDepth",
    "QueueDepths",
    "QueueMessage",
    "Received",
    "Registrable",
    "Remark",
    "Reminder",
    "Reminders",
    "Repeatable",
    "Replace",
    "SecretStore",
    "Sending",
    "Store",
    "StoredFile",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "WebhookRequest",
    "WebhookResponse",
]

_ROOMS = MappingProxyType(
    {
        "channels": (
            "Capabilities",
            "Channel",
            "Parsed",
            "Registrable",
            "Sending",
            "WebhookRequest",
            "WebhookResponse",
        ),
        "checkpoints": (
            "Checkpoints",
            "MemoryStore",
        ),
        "clock": ("Clock",),
        "exporters": ("Exporter",),
        "files": (
            "Files",
            "StoredFile",
        ),
        "models": ("ModelProvider",),
        "orchestrations": ("Orchestrations",),
        "parts": ("Parts",),
        "people": (
            "Limits",
            "Memo",
            "Memory",
            "Preferences",
            "Reminder",
            "Reminders",
        ),
        "queue_reports": (
            "Examinable",
            "QueueDepth",
            "QueueDepths",
            "Remark",
        ),
        "queues": (
            "Broker",
            "Queue",
            "QueueMessage",
            "Received",
        ),
        "secrets": ("SecretStore",),
        "store": (
            "BATCH_BYTES",
            "BATCH_OPERATIONS",
            "Create",
            "Delete",
            "Document",
            "Json",
            "Operation",
            "Page",
            "Partition",
            "Put",
            "Replace",
            "Store",
        ),
        "tools": (
            "Asking",
            "Checkable",
            "Describing",
            "Effect",
            "Explaining",
            "Permission",
            "Repeatable",
            "Tool",
            "ToolContext",
            "ToolError",
            "ToolResult",
        ),
    }
)
"""Which file each name is in: it is loaded when somebody wants the name. A webhook wants few of them."""
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name's file on first use (PEP 562)."""
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{room}"), name)
    return found
