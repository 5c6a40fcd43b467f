"""Between the Functions library's HTTP requests and ours."""

from __future__ import annotations

import azure.functions as func

from shared.ports import WebhookRequest, WebhookResponse


def unwrap(req: func.HttpRequest) -> WebhookRequest:
    """A request as the stages know it: plain values, header names in lower case."""
    return WebhookRequest(
        method=req.method,
        url=req.url,
        headers={name.lower(): value for name, value in req.headers.items()},
        query=dict(req.params),
        body=req.get_body(),
    )


def wrap(answer: WebhookResponse) -> func.HttpResponse:
    """An answer as the Functions library wants it."""
    return func.HttpResponse(
        answer.body, status_code=answer.status, mimetype=answer.media_type, headers=dict(answer.headers)
    )
