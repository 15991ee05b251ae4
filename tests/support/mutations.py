"""Valid answers made wrong: values replaced, members lost or new, events lost, doubled or swapped, bytes changed."""

import json
import random
import re
from copy import deepcopy
from typing import Any

from proxy.errors import TollwayError
from proxy.providers.bedrock.eventstream import Reader, message
from tests.contract.providers.cases import Answer

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 3.0, 10**30, -(10**30), 2**63, "", "x", "\ud800", "0", "null", "{", '{"a":', "�" * 3, [], {}, [None],
    [[]], [{}], {"": None}, {"type": "of_tomorrow"}, [{"type": "of_tomorrow", "text": "x"}], {"text": 5}, "stop", "data:,x",
)  # fmt: skip

_DATA = re.compile(rb"^(data: ?)(.*?)(\r?)$", re.MULTILINE)


class Mutator:
    """Repeatable by its seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def document(self, found: Any, *, times: int | None = None) -> Any:
        """A JSON value with a few of its parts replaced, removed, doubled or added."""
        for _ in range(times or self._random.randint(1, 3)):
            found = self._once(found)
        return found

    def _once(self, found: Any) -> Any:
        places = list(_places(found))
        if not places:
            return deepcopy(self._random.choice(ODD))
        at, key = self._random.choice(places)
        match self._random.randint(0, 4):
            case 0 if isinstance(at, dict):
                del at[key]
            case 1 if isinstance(at, dict):
                at["member_of_tomorrow"] = deepcopy(self._random.choice(ODD))
            case 1 if isinstance(at, list):
                at.insert(key, at[key])
            case 2 if isinstance(at, list):
                at.insert(key, deepcopy(self._random.choice(ODD)))
            case _:
                at[key] = deepcopy(self._random.choice(ODD))
        return found

    def whole(self, answer: Answer) -> bytes:
        """A whole answer."""
        try:
            document = json.loads(answer.data)
        except ValueError:
            return self.bytes(answer.data)
        return dumps(self.document(document))

    def stream(self, answer: Answer) -> bytes:
        """A stream: its events changed or moved, or, now and then, its bytes."""
        if self._random.random() < 0.15:
            return self.bytes(answer.data)
        framed = answer.kind == "application/vnd.amazon.eventstream"
        events = frames(answer.data) if framed else answer.data.replace(b"\r\n", b"\n").split(b"\n\n")
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(len(events))
            match self._random.randint(0, 5):
                case 0:
                    del events[at]
                case 1:
                    events.insert(at, events[at])
                case 2:
                    other = self._random.randrange(len(events))
                    events[at], events[other] = events[other], events[at]
                case _:
                    events[at] = self._frame(events[at]) if framed else self._event(events[at])
            if not events:
                return b""
        return b"".join(events) if framed else b"\n\n".join(events)

    def _event(self, event: bytes) -> bytes:
        return _DATA.sub(lambda found: found[1] + self._payload(found[2]), event)

    def _payload(self, payload: bytes) -> bytes:
        try:
            return dumps(self.document(json.loads(payload), times=1))
        except ValueError:
            return payload

    def _frame(self, frame: bytes) -> bytes:
        try:
            found = Reader().feed(frame)[0]
        except (TollwayError, IndexError):  # A frame that has been damaged already, or half of one.
            return frame
        return message(found.headers, self._payload(bytes(found.payload)))

    def bytes(self, data: bytes) -> bytes:
        """Some bytes changed, cut out or put in."""
        found = bytearray(data)
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randrange(len(found) + 1)
            match self._random.randint(0, 2):
                case 0:
                    found[at : at + 1] = bytes([self._random.randrange(256)])
                case 1:
                    del found[at : at + self._random.randint(1, 9)]
                case _:
                    found[at:at] = self._random.choice(
                        (b"\n\n", b"\xff", b"\x00", b"data: ", b"\r\n\r\n", b"{}", b"[DONE]")
                    )
        return bytes(found)

    def pieces(self, data: bytes) -> list[bytes]:
        """``data`` cut anywhere."""
        at = sorted(self._random.randint(0, len(data)) for _ in range(self._random.randint(0, 4)))
        return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True) if start < end]


def frames(data: bytes) -> list[bytes]:
    """The messages of AWS's framing, cut by their lengths."""
    found = []
    while len(data) >= 4:
        size = max(int.from_bytes(data[:4], "big"), 16)
        found.append(data[:size])
        data = data[size:]
    return found or [b""]


def dumps(value: Any) -> bytes:
    """JSON that may hold what most encoders refuse: lone surrogates, huge numbers."""
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield value, at
            yield from _places(item)
