"""Of a stream's events, those worth decoding: nearly all of them differ from each other in nothing but a piece of text."""

from collections.abc import Sequence


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
    if begin < len(member) or end <= begin:
        return payloads
    head, tail, rest = usual[:begin], usual[end:], end - len(usual)
    least, last = len(usual) - (end - begin), len(payloads) - 1
    return [
        payload
        for number, payload in enumerate(payloads)
        if number in (at, last)
        or len(payload) <= least
        or not (payload.startswith(head) and payload.endswith(tail))
        or b'"' in (text := payload[begin:rest])
        or text[-1] == _BACKSLASH
    ]


_BACKSLASH = 0x5C
