"""Files on their way in from the page and out to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import HTTP
from urllib.parse import quote, unquote

from shared.messages import Unreadable
from shared.ports import StoredFile, WebhookRequest, WebhookResponse

ANY_TYPE = "application/octet-stream"
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""What a browser may show inside the page: images that hold no script."""

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_ACTIVE = ("html", "xml", "svg", "javascript", "ecmascript")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody sends."""

    name: str
    media_type: str
    content: bytes


def read_upload(request: WebhookRequest) -> Upload:
    """The file in a request: the first file of a form, or the body itself named by `X-File-Name` (percent-encoded).

    Raises Unreadable with words for whoever wrote the request.
    """
    declared = request.headers.get("content-type", "")
    if declared.lower().startswith("multipart/form-data"):
        return _from_form(declared, request.body)
    return _upload(unquote(request.headers.get("x-file-name", "")), declared, request.body)


def _upload(name: str, media_type: str, content: bytes) -> Upload:
    if not content:
        raise Unreadable("the file is empty")
    # Only the last step of a path, and no character that a terminal or a header would act on.
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip(" .")[-200:]
    media_type = media_type.partition(";")[0].strip().lower()
    return Upload(name or "file", media_type if _MEDIA_TYPE.fullmatch(media_type) else ANY_TYPE, content)


def _from_form(declared: str, body: bytes) -> Upload:
    boundary = _headers(f"Content-Type: {declared}\r\n\r\n".encode("latin-1", "replace")).get_boundary()
    if not boundary:
        raise Unreadable("the form has no boundary")
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))[1:-1]:
        head, found, content = part.partition(b"\r\n\r\n")
        headers = _headers(head.strip() + b"\r\n\r\n")
        name = headers.get_filename()
        if found and name is not None:
            return _upload(name, headers.get_content_type(), content)
    raise Unreadable("the form has no file")


def _headers(head: bytes) -> EmailMessage:
    return BytesHeaderParser(policy=HTTP).parsebytes(head)


def answer_file(*, file: StoredFile, content: bytes) -> WebhookResponse:
    """A file for the page: images inside it, everything else to be saved, nothing to be run."""
    inline = file.media_type in INLINE
    media_type = ANY_TYPE if any(word in file.media_type for word in _ACTIVE) else file.media_type
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", file.name)
    return WebhookResponse(
        body=content,
        media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else ANY_TYPE,
        headers={
            "Content-Disposition": (
                f'{"inline" if inline else "attachment"}; filename="{plain}"; '
                f"filename*=UTF-8''{quote(file.name.encode('utf-8', 'replace'), safe='')}"
            ),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=86400, immutable",
        },
    )
