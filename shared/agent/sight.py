"""Images in messages, for models that cannot see."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

UNSEEN = {"type": "text", "text": "(You cannot see this picture: say so if it matters.)"}


def _is_image(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "image"


def has_images(messages: Sequence[BaseMessage]) -> bool:
    """True when a message holds an image block."""
    return any(
        _is_image(block) for message in messages if isinstance(message.content, list) for block in message.content
    )


def without_images(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The same messages with each image replaced by words. What describes the image stands in the block before it."""
    changed: list[BaseMessage] = []
    for message in messages:
        if isinstance(message.content, list) and any(map(_is_image, message.content)):
            content = [UNSEEN if _is_image(block) else block for block in message.content]
            message = message.model_copy(update={"content": content})  # noqa: PLW2901  the changed copy takes its place
        changed.append(message)
    return changed
