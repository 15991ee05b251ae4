"""What a listener for traffic answers below ``/admin`` where the admin API has a listener of its own."""

from random import getrandbits

from ..context import Receive, Scope, Send
from ..errors import NotFound, answer_headers, envelope


class Elsewhere:
    """ASGI application: 404 to everybody, key or not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{getrandbits(128):032x}"
        error = NotFound("There is no admin API on this port: it has a listener of its own (server.admin_port).")
        body = envelope(error, request_id)
        headers = [*answer_headers(error, request_id), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
