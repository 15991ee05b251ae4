"""Of a stream's events, those worth decoding: nearly all of them differ from each other in nothing but a piece of text."""

import re
from collections.abc import Sequence

_TEXT = re.compile(rb'[^"]++(?<!\\)')
"""Of a string in JSON, a piece that the quote character after it ends."""


def telling(payloads: Sequence[bytes], member: bytes) -> Sequence[bytes]:
    """All but those that are one of the others with other text in its string ``member`` (as written: ``b'"content":"'``); the last stays.

    What is left out has the same bytes around a string without a quote character in it: it cannot say anything else.
    """
    if len(payloads) < 4:
        return payloads
    at = len(payloads) // 2
    usual = payloads[at]
    begin = usual.find(member) + len(member)
    end = usual.find(b'"', begin)
    text = _TEXT.fullmatch
    if begin < len(member) or not text(usual, begin, end):
        return payloads
    head, tail, most = usual[:begin], usual[end:], end - len(usual)
    left = [
        payload
        for payload in payloads[:-1]
        if payload is usual
        or not (payload.startswith(head) and payload.endswith(tail) and text(payload, begin, len(payload) + most))
    ]
    left.append(payloads[-1])
    return left
