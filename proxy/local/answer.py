"""A small JSON answer of our own, with the request's id."""

from ..context import RequestContext, Send


async def answer_json(ctx: RequestContext, send: Send, body: bytes, *, status: int = 200) -> None:
    """Sends ``body`` whole."""
    raw_id = ctx.request_id.encode()
    headers = [(b"content-type", b"application/json"), (b"x-request-id", raw_id), (b"x-tollway-request-id", raw_id)]
    await send({"type": "http.response.start", "status": status, "headers": headers + ctx.response_headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
