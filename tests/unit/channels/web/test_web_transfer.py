"""Files in and out: names, kinds, and headers that nobody can write into."""

from __future__ import annotations

import aiohttp
import pytest

from shared.channels.web.transfer import answer_file, read_upload
from shared.messages import Unreadable
from shared.ports import StoredFile, WebhookRequest

BINARY = bytes(range(256)) * 40 + b"\r\n--b\r\n\r\n"


def request(body: bytes, **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(method="POST", url="http://127.0.0.1/api/chat/files", headers=named, query={}, body=body)


def test_a_raw_body_is_named_by_its_header() -> None:
    upload = read_upload(request(BINARY, content_type="Image/PNG", x_file_name="Br%C3%BCcke%201.png"))
    assert (upload.name, upload.media_type, upload.content) == ("Brücke 1.png", "image/png", BINARY)


async def test_a_form_as_a_client_library_writes_it() -> None:
    form = aiohttp.FormData()
    form.add_field("note", "not a file")
    form.add_field("file", BINARY, filename="plan.bin", content_type="application/x-plan")
    writer = form()
    body = await writer.as_bytes()
    upload = read_upload(request(body, content_type=writer.headers["Content-Type"]))
    assert (upload.name, upload.media_type, upload.content) == ("plan.bin", "application/x-plan", BINARY)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", "file"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a%0D%0AX-Evil: 1", "aX-Evil: 1"),
        ("%E2%80%AEgpj.exe", "gpj.exe"),
        ("...", "file"),
        ("a" * 300 + ".pdf", ("a" * 300 + ".pdf")[-200:]),
        ("%FF%FE", "��"),
    ],
)
def test_a_name_is_only_a_name(given: str, kept: str) -> None:
    assert read_upload(request(b"x", x_file_name=given)).name == kept


@pytest.mark.parametrize("kind", ["", "nonsense", "a/b\r\nX: 1", "a/b/c"])
def test_an_unknown_kind_is_bytes(kind: str) -> None:
    assert read_upload(request(b"x", content_type=kind)).media_type == "application/octet-stream"


@pytest.mark.parametrize(
    "broken",
    [
        request(b""),
        request(b"x", content_type="multipart/form-data"),
        request(b"x", content_type="multipart/form-data; boundary=b"),
        request(b"--b\r\n\r\n--b--\r\n", content_type="multipart/form-data; boundary=b"),
        request(
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--',
            content_type="multipart/form-data; boundary=b",
        ),
        request(b"x", content_type='multipart/form-data; boundary="\u20ac"'),
    ],
)
def test_no_file(broken: WebhookRequest) -> None:
    with pytest.raises(Unreadable):
        read_upload(broken)


def out(name: str, media_type: str) -> tuple[str, dict[str, str]]:
    response = answer_file(file=StoredFile("i", name, media_type, 1, "o"), content=b"x")
    return response.media_type, dict(response.headers)


def test_a_picture_is_shown_and_anything_else_is_saved() -> None:
    assert out("a.png", "image/png")[1]["Content-Disposition"].startswith("inline;")
    assert out("a.pdf", "application/pdf")[1]["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/javascript", "bad kind"]
)
def test_what_could_act_is_neither_shown_nor_named(kind: str) -> None:
    media_type, headers = out("a.html", kind)
    assert media_type == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


def test_a_name_cannot_write_headers() -> None:
    value = out('a"; x="\r\nSet-Cookie: a=b\\ü.txt', "text/plain")[1]["Content-Disposition"]
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert value.endswith("%C3%BC.txt")
