"""A client as others have it: one chat request over the standard library's HTTP, read to the end or until patience runs out."""

import http.client
import json
import time
from contextlib import closing

from .seen import Received

QUESTION = "How long is the road to the mill?"
MOST = 4 * 1024 * 1024
"""Bytes of an answer that are read."""

PATH = "/v1/chat/completions"


def ask(port: int, key: str, model: str, *, stream: bool, patience: float) -> Received:
    """Blocks. Any end is an answer: nothing is raised."""
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    if stream:
        body["stream"] = True
    begun = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=patience)) as connection:
        try:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("POST", PATH, json.dumps(body).encode(), headers)
            answer = connection.getresponse()
        except TimeoutError:
            return Received(late=True, whole=False, seconds=time.monotonic() - begun)
        except (OSError, http.client.HTTPException):
            return Received(whole=False, seconds=time.monotonic() - begun)
        data, whole, late = _read(answer, begun + patience)
    return Received(
        status=answer.status,
        headers={name.lower(): value for name, value in answer.getheaders()},
        body=data,
        whole=whole,
        late=late,
        seconds=time.monotonic() - begun,
    )


def _read(answer: http.client.HTTPResponse, deadline: float) -> tuple[bytes, bool, bool]:
    """(bytes, did it end as it should, did we give up)."""
    data = bytearray()
    try:
        while piece := answer.read1(65_536):
            data += piece
            if time.monotonic() > deadline or len(data) > MOST:
                return bytes(data), False, True
    except TimeoutError:
        return bytes(data), False, True
    except http.client.IncompleteRead as cut:
        return bytes(data + cut.partial), False, False
    except (OSError, http.client.HTTPException):
        return bytes(data), False, False
    left = answer.length
    return bytes(data), not left, False
