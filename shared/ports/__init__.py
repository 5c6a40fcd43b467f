"""What can be swapped, as Protocols with keyword-only arguments. Plug-ins import this and what lies below it."""

from __future__ import annotations

from shared.ports.channels import Capabilities, Channel, Parsed, Registrable, Sending, WebhookRequest, WebhookResponse
from shared.ports.checkpoints import Checkpoints, MemoryStore
from shared.ports.clock import Clock
from shared.ports.files import Files, StoredFile
from shared.ports.models import ModelProvider
from shared.ports.orchestrations import Orchestrations
from shared.ports.parts import Parts
from shared.ports.people import Limits, Memo, Memory, Preferences, Reminder, Reminders
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
    "Explaining",
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
    "QueueMessage",
    "Received",
    "Registrable",
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
