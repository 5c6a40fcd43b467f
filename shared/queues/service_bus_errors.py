"""What goes wrong at Service Bus, in the words that the stages understand."""

from __future__ import annotations

from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from shared.messages import PraxosError, QueueUnavailable, SettingError, TooLarge

BUSY_SECONDS = 10.0
"""How long Service Bus asks to wait after it has throttled:
learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-exceptions."""
_LONGEST = 300
"""Characters of the SDK's own words that are repeated. They name queues and tracking ids, never tokens or bodies."""


class QueueMisconfigured(SettingError, QueueUnavailable):
    """A queue or a role is missing in Azure. What needs it waits, and goes on once that is mended."""


def trouble(error: Exception, *, queue: str) -> PraxosError:
    """The error for the caller of a send that the SDK ended with `error`: QueueUnavailable, unless it is TooLarge."""
    if isinstance(error, MessageSizeExceededError):
        return TooLarge(f"{queue}: the messages of one batch are larger than this Service Bus takes")
    if isinstance(error, MessagingEntityNotFoundError):
        return QueueMisconfigured(
            f"ServiceBusConnection: the namespace has no queue {queue!r}; create it, or name another one"
        )
    if isinstance(error, ServiceBusServerBusyError):
        return QueueUnavailable(f"{queue}: Service Bus throttles", retry_after=BUSY_SECONDS)
    if isinstance(error, ServiceBusQuotaExceededError):
        return QueueUnavailable(f"{queue}: the queue, or the namespace's connections, are full: {_words(error)}")
    if _is_refusal(error):
        return QueueMisconfigured(
            f"{queue}: Service Bus refuses this identity; it needs the role Azure Service Bus Data Sender, "
            f"which works up to ten minutes after it was assigned: {_words(error)}"
        )
    return QueueUnavailable(f"{queue}: Service Bus did not take it: {_words(error)}")


def may_pass(error: Exception) -> bool:
    """Whether it is worth to try again within seconds. A token that was refused is renewed by that."""
    return not isinstance(error, MessageSizeExceededError | MessagingEntityNotFoundError)


def breaks_link(error: Exception) -> bool:
    """Whether a new link has to be made before the next try. Where it is unclear what state one is in, it is."""
    return not isinstance(error, MessageSizeExceededError | ServiceBusServerBusyError)


def _is_refusal(error: Exception) -> bool:
    refusals = ServiceBusAuthenticationError | ServiceBusAuthorizationError | ClientAuthenticationError
    # What the credential raises arrives inside of a ServiceBusError.
    return isinstance(error, refusals) or isinstance(getattr(error, "inner_exception", None), refusals)


def _words(error: Exception) -> str:
    words = " ".join(str(error).split()) or "no answer in time"
    return f"{type(error).__name__}: {words[:_LONGEST]}"
