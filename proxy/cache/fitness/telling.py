"""Of a stream's events, those worth decoding: nearly all of them differ from each other in nothing but a piece of text."""

from ...wire.alike import END, Shape, pieces, usual

_FEW = 2048
"""Bytes of a stream that are as quickly decoded."""

_MOST = 8
"""What is shorter by so many times is as quickly decoded as looked at again."""


def telling(body: bytes) -> bytes:
    """``body``, the whole of a stream, with events that are alike put together: it says what it said, in fewer events."""
    if body.find(b"\r") >= 0:
        return body
    while len(body) > _FEW:
        shape = usual(body)
        if shape is None:
            break
        before, body = len(body), _shorter(body, shape)
        if len(body) == before or len(body) < before // _MOST:
            break
    return body


def _shorter(body: bytes, shape: Shape) -> bytes:
    """With the events of that shape in one, at the place of the first."""
    begin, end = shape.run(body)
    run, rest = body[begin:end], body[end:]
    texts = shape.texts(run)
    if texts is not None:
        merged = shape.event(b"".join(texts)) + END if pieces(texts) else run
    else:
        # The last event stays the last.
        run, rest = (run, rest) if rest else _without_last(run)
        merged = _some(run, shape)
    return body[:begin] + merged + rest


def _some(run: bytes, shape: Shape) -> bytes:
    """``run`` with those of its events that are of that shape in one."""
    head, tail = shape.head, shape.tail
    least = len(head) + len(tail)
    others: list[bytes] = []
    texts: list[bytes] = []
    place = 0
    for event in run.split(END):
        if len(event) >= least and event.startswith(head) and event.endswith(tail):
            place = place if texts else len(others)
            texts.append(event[len(head) : -len(tail)])
        else:
            others.append(event)
    if len(texts) < 2 or not pieces(texts):
        return run
    others.insert(place, shape.event(b"".join(texts)))
    return END.join(others)


def _without_last(run: bytes) -> tuple[bytes, bytes]:
    """``run`` and its last event."""
    at = run.rfind(END, 0, -len(END)) + len(END)
    return run[:at], run[at:]
