"""What one stream event means to the gateway: text that was generated, reported usage, an error, the end.

One decoder a dialect, fed by the framer's payloads. They are observers of bytes that have already left.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw, Struct

from .alike import END, pieces, usual
from .endpoints import Dialect
from .sse import DONE, Framer
from .usage import ReportedUsage, Usage, anthropic_usage
from .values import UNREADABLE

DEFERRED = 128 * 1024
"""Bytes of undecoded events kept for one stream; beyond, they are decoded to their text, which is some twenty times smaller."""

LARGEST_USAGE = 64 * 1024
"""Bytes of an unfinished event that may be held back because it could be a usage chunk."""

_FIGURE = b"_tokens"
"""A part of every figure's name in reported usage. ``"usage"`` itself many write into each of their events, with ``null``."""

_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")

FEW = 4096
"""Bytes of undecoded events that are as quickly decoded one by one."""

TAIL = 4
"""Last events that are looked at first: as a rule the answer ends in them, with a finish reason, reported usage, ``[DONE]``."""

TEXT_LIMIT = 512 * 1024
"""Characters of generated text kept for counting when the provider reports no usage."""


class StreamEvent(Struct, frozen=True, gc=False):
    """One event. ``text`` is generated output (tool arguments and reasoning included); ``bare_usage``: a usage chunk of its own."""

    text: str = ""
    usage: Usage | None = None
    finished: bool = False
    """The answer is semantically whole: a finish reason, a terminal event or ``[DONE]``."""
    error: bool = False
    bare_usage: bool = False


_NO_ERROR = Raw(b"null")


# ``gc=False``: made by the thousand, without cycles, and dropped at once.
class _Function(Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Custom(Struct, frozen=True, gc=False):
    input: str | None = None


class _Call(Struct, frozen=True, gc=False):
    function: _Function | None = None
    custom: _Custom | None = None


class _Delta(Struct, frozen=True, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(Struct, frozen=True, gc=False):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(Struct, frozen=True, gc=False):
    choices: list[_Choice] | None = None
    usage: ReportedUsage | None = None
    error: Raw = _NO_ERROR


class _ResponseObject(Struct, frozen=True, gc=False):
    usage: ReportedUsage | None = None


class _ResponseEvent(Struct, frozen=True, gc=False):
    type: str = ""
    delta: str | None = None
    response: _ResponseObject | None = None
    usage: ReportedUsage | None = None
    error: Raw = _NO_ERROR


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_chunks = msgspec.json.Decoder(list[_Chunk]).decode
_decode_event = msgspec.json.Decoder(_ResponseEvent).decode

_END = StreamEvent(finished=True)
_NOTHING = StreamEvent()
_TERMINAL = frozenset(("response.completed", "response.incomplete", "response.failed", "response.done"))


def _call_text(call: _Call) -> str:
    function, custom = call.function, call.custom
    if function is not None:
        return (function.name or "") + (function.arguments or "")
    return (custom.input or "") if custom is not None else ""


def _other_text(delta: _Delta) -> str:
    """What a delta generates besides plain content."""
    text = delta.reasoning_content or delta.reasoning or delta.refusal or ""
    if delta.tool_calls:
        text += "".join([_call_text(call) for call in delta.tool_calls])
    if delta.function_call is not None:
        text += (delta.function_call.name or "") + (delta.function_call.arguments or "")
    return text


def _is_error(error: Raw) -> bool:
    return error is not _NO_ERROR and bytes(error) != b"null"


def read_chunk(payload: bytes) -> StreamEvent:
    """An event of a chat or legacy completions stream."""
    if payload[:6] == DONE:
        return _END
    try:
        return _event_of(_decode_chunk(payload))
    except UNREADABLE:
        return _NOTHING


def _content_alone(chunk: _Chunk) -> str | None:
    """The content of the usual event: one choice, some content, nothing else; ``None`` for any other."""
    choices = chunk.choices
    if choices is not None and len(choices) == 1 and chunk.usage is None and chunk.error is _NO_ERROR:
        choice = choices[0]
        delta = choice.delta
        if (
            delta is not None
            and choice.finish_reason is None
            and delta.tool_calls is None
            and delta.reasoning_content is None
            and delta.reasoning is None
        ):
            return delta.content
    return None


def _event_of(chunk: _Chunk) -> StreamEvent:
    content = _content_alone(chunk)
    if content:
        return StreamEvent(content)
    text, finished = "", False
    for choice in chunk.choices or ():
        delta = choice.delta
        if delta is not None:
            text += (delta.content or "") + _other_text(delta)
        elif choice.text:
            text += choice.text
        if choice.finish_reason is not None:
            finished = True
    usage = chunk.usage
    if usage is not None:
        return StreamEvent(text, usage.normalised(), finished, False, not chunk.choices)
    return StreamEvent(text, None, finished, _is_error(chunk.error))


def read_response_event(payload: bytes) -> StreamEvent:
    """An event of a responses, image or audio stream: ``type`` says what it is."""
    if payload[:6] == DONE:
        return _END
    try:
        event = _decode_event(payload)
    except UNREADABLE:
        return _NOTHING
    kind = event.type
    reported = event.response.usage if event.response is not None else event.usage
    text = event.delta if event.delta is not None and kind.endswith(".delta") and "audio" not in kind else ""
    usage = reported.normalised() if reported is not None else None
    finished = kind in _TERMINAL or (not kind.startswith("response.") and kind.endswith((".completed", ".done")))
    return StreamEvent(text, usage, finished, kind == "error" or _is_error(event.error))


class _AnthropicUsage(Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _MessageHead(Struct, frozen=True, gc=False):
    usage: _AnthropicUsage | None = None


class _MessageDelta(Struct, frozen=True, gc=False):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _MessageBlock(Struct, frozen=True, gc=False):
    name: str | None = None
    text: str | None = None


class _MessageEvent(Struct, frozen=True, gc=False):
    type: str = ""
    message: _MessageHead | None = None
    content_block: _MessageBlock | None = None
    delta: _MessageDelta | None = None
    usage: _AnthropicUsage | None = None


_decode_message_event = msgspec.json.Decoder(_MessageEvent).decode


class MessageReader:
    """Events of an Anthropic messages stream. Its usage comes in two parts, cumulative: the later figures hold."""

    __slots__ = ("_figures",)

    def __init__(self) -> None:
        self._figures: dict[str, int] = {}

    def __call__(self, payload: bytes) -> StreamEvent:
        """What one event means."""
        try:
            event = _decode_message_event(payload)
        except UNREADABLE:
            return _NOTHING
        kind = event.type
        if kind == "content_block_delta":
            delta = event.delta
            return StreamEvent((delta.text or delta.thinking or delta.partial_json or "") if delta is not None else "")
        if kind == "content_block_start":
            block = event.content_block
            return StreamEvent((block.name or block.text or "") if block is not None else "")
        if kind == "message_start":
            # Its output figure is a placeholder: a stream that is cut here has reported nothing yet.
            self._merge(event.message.usage if event.message is not None else None)
            return _NOTHING
        if kind == "message_delta":
            return StreamEvent(usage=self._merge(event.usage))
        return StreamEvent(finished=kind == "message_stop", error=kind == "error")

    def _merge(self, usage: _AnthropicUsage | None) -> Usage | None:
        if usage is None:
            return None
        figures = self._figures
        for name in _AnthropicUsage.__struct_fields__:
            value = getattr(usage, name)
            if value is not None and value >= 0:
                figures[name] = value
        return anthropic_usage(figures)


def read_realtime_usage(message: bytes, so_far: Usage) -> Usage:
    """``so_far`` plus the usage of an event of a WebSocket that ends a response; other events have none of their own."""
    event = read_response_event(message)
    usage = event.usage
    if usage is None or not event.finished:
        return so_far
    return Usage(
        input=so_far.input + usage.input,
        output=so_far.output + usage.output,
        cached=so_far.cached + usage.cached,
        reasoning=so_far.reasoning + usage.reasoning,
        input_source="reported",
        output_source="reported",
    )


def _reader(dialect: Dialect) -> Callable[[bytes], StreamEvent]:
    if dialect == "messages":
        return MessageReader()
    return read_response_event if dialect in ("responses", "events") else read_chunk


class StreamDecoder:
    """Bytes to events for one stream, and what they add up to.

    ``complete`` once the answer is whole, ``failed`` once it carried an error, ``tokens`` events that generated text,
    ``usage`` as last reported. Unless ``eager`` (somebody observes the events), what follows the first token is kept as
    bytes and decoded in one go: at the end, when the text is needed, or when too much has been kept.
    """

    __slots__ = (
        "_choices", "_finishes", "_framer", "_keep", "_kept", "_parts", "_raw", "_read", "_size", "_texts",
        "complete", "dropped", "eager", "failed", "tokens", "trusted", "usage",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, *, eager: bool = False, usage_due: bool = False, choices: int = 1) -> None:
        """``usage_due``: the provider was asked to report; ``choices``: answers that must each finish (``n``)."""
        self._framer = Framer()
        self._read = _reader(dialect)
        self.eager = eager
        self._keep = DEFERRED if usage_due else DEFERRED // 4
        self._choices = choices
        self._finishes = 0
        self._raw: list[bytes] = []
        self._kept = 0
        self._parts: list[str] = []
        self._texts: list[str] = []
        self._size = 0
        self.complete = dialect in ("opaque", "events")
        self.failed = False
        self.tokens = 0
        self.dropped = 0
        """Characters of text beyond ``TEXT_LIMIT``, not kept."""
        self.usage: Usage | None = None
        self.trusted = True
        """Are figures in the stream the provider's? Ours, behind a front, may be zeros for want of any."""

    @property
    def at_boundary(self) -> bool:
        """May something be inserted here?"""
        if self._raw:
            return (self._framer.tail_bytes + b"".join(self._raw[-4:])).endswith(_BLANK_LINES)
        return self._framer.at_boundary

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Events that ``data`` completes, in order; none while they are deferred."""
        if self.eager:
            return self._events(self._framer.feed(data))
        while not self.tokens and data:
            # Event by event up to the first token, whose time is wanted.
            end = data.find(b"\n\n") + 2
            first, data = (data[:end], data[end:]) if end > 1 else (data, b"")
            self._events(self._framer.feed(first))
        if not data:
            return ()
        self._raw.append(data)
        self._kept += len(data)
        if self._kept > self._keep:
            self._catch_up()
        return ()

    def close(self) -> Sequence[StreamEvent]:
        """The end of the body. Reported usage is looked for in the last events first: with it nobody needs the rest."""
        if not self._raw:
            return self._events(self._framer.close())
        data = b"".join(self._raw)
        self._raw.clear()
        self._kept = 0
        if self.trusted and self._framer.idle and self._ends_in(data):
            self._framer.tail_bytes = data[-4:]
            return ()
        payloads = self._framer.feed(self._together(data)) + self._framer.close()
        if self.eager:
            return self._events(payloads)
        self._many(payloads)
        return ()

    def _ends_in(self, data: bytes) -> bool:
        """Do the last events of ``data`` end the answer and report its usage? Then those before are counted, and not looked at."""
        end = len(data)
        for _ in range(TAIL + 1):
            end = data.rfind(b"\n\n", 0, end)
            if end < 0:
                return False
        if data.find(b"\r") >= 0 or data.find(_FIGURE, end) < 0:
            return False
        framer, read = Framer(), self._read
        events = [read(payload) for payload in framer.feed(data[end + 2 :]) + framer.close() if payload]
        reported, finishes = False, self._finishes
        for event in events:
            if event.usage is not None:
                reported = True
            if event.finished:
                finishes += self._choices if event is _END else 1
        if not reported or finishes < self._choices:
            return False
        # The longer word is found in half of the time.
        line = b"\n\ndata: " if data[:6] == b"data: " else b"\n\n"
        self.tokens += data.count(line, 0, end + len(line))
        for event in events:
            self._note(event)
        return True

    def text(self) -> str:
        """What was generated so far, at most ``TEXT_LIMIT`` characters."""
        self._catch_up()
        return "".join((*self._texts, *self._parts))

    def _catch_up(self) -> None:
        if self._raw:
            data = b"".join(self._raw)
            self._raw.clear()
            self._kept = 0
            self._many(self._framer.feed(self._together(data)))

    def _together(self, data: bytes) -> bytes:
        """``data`` with most of its events in one that says all of their text: those left out are counted, and need not be decoded."""
        shape = usual(data) if len(data) > FEW and self._framer.idle else None
        if shape is None:
            return data
        begin, end = shape.run(data)
        texts = shape.texts(data[begin:end])
        if not texts or not pieces(texts):
            return data
        both = shape.event(shape.text) + END + shape.event(b"") + END
        said = [self._read(payload) for payload in Framer().feed(both)]
        if said != [StreamEvent(shape.text.decode(errors="replace")), _NOTHING]:
            # They say something else besides.
            return data
        self.tokens += len(texts) - texts.count(b"") - 1
        return b"%b%b%b" % (data[:begin], shape.event(b"".join(texts)), data[end - len(END) :])

    def _many(self, payloads: list[bytes]) -> None:
        """``_events`` without the events: one decode for all of them, at half the price."""
        if self._read is not read_chunk or len(payloads) < 2:
            self._events(payloads)
            return
        last = [payloads.pop()] if payloads[-1][:6] == DONE else []
        try:
            chunks = _decode_chunks(b"[" + b",".join(payloads) + b"]")
        except UNREADABLE:
            self._events(payloads)
        else:
            texts: list[str] = []
            for chunk in chunks:
                content = _content_alone(chunk)
                if content:
                    texts.append(content)
                    continue
                if texts:
                    self._said(texts)
                    texts.clear()
                self._note(_event_of(chunk))
            if texts:
                self._said(texts)
        self._events(last)

    def _events(self, payloads: list[bytes]) -> Sequence[StreamEvent]:
        read = self._read
        events = [read(payload) for payload in payloads if payload]
        for event in events:
            self._note(event)
        return events

    def _note(self, event: StreamEvent) -> None:
        if event.text:
            self.tokens += 1
            self._add(event.text)
        if event.usage is not None:
            self.usage = event.usage
        if event.finished:
            self._finishes += 1
            if event is _END or self._finishes >= self._choices:
                self.complete = True
        elif event.error:
            self.failed = True

    def _said(self, texts: list[str]) -> None:
        self.tokens += len(texts)
        self._add("".join(texts))

    def _add(self, text: str) -> None:
        if self._size >= TEXT_LIMIT:
            self.dropped += len(text)
            return
        self._size += len(text)
        self._parts.append(text)
        if len(self._parts) >= 512:
            # A short str takes ten times its characters; joined they take one.
            self._texts.append("".join(self._parts))
            self._parts.clear()


class Withholder:
    """Takes the usage chunk out of a stream whose client did not ask for it; every other byte leaves as it came."""

    __slots__ = ("_edge", "_passing", "_tail", "withheld")

    def __init__(self) -> None:
        self.withheld = b""
        """The event that was taken out last."""
        self._tail = b""
        self._edge = b""
        self._passing = False

    def feed(self, data: bytes) -> bytes:
        """The bytes that may leave now: whole events without bare usage chunks."""
        if not self._tail and data[-2:] == b"\n\n" and not self._passing:
            # ``find``, since ``in`` first tries whether it was given a number, at the price of a search of 400 bytes.
            at = data.find(_FIGURE)
            if at < 0:
                return data
            if data.find(b"\r") < 0:
                return self._without(data, at)
        if self._passing:
            # An event too large to be a usage chunk goes by as it comes, up to its end.
            end = _first_boundary(self._edge + data) - len(self._edge)
            if end <= 0:
                self._edge = (self._edge + data)[-3:]
                return data
            self._passing = False
            return data[:end] + self.feed(data[end:])
        if self._tail:
            data = self._tail + data
        end = len(data) if data.endswith(_BLANK_LINES) else _last_boundary(data)
        whole, self._tail = (data, b"") if end == len(data) else (data[:end], data[end:])
        if whole.find(_FIGURE) >= 0:
            whole = b"".join([block for block in _blocks(whole) if block.find(_FIGURE) < 0 or not self._takes(block)])
        if len(self._tail) > LARGEST_USAGE:
            whole += self._tail
            self._edge, self._tail, self._passing = self._tail[-3:], b"", True
        return whole

    def _without(self, data: bytes, at: int) -> bytes:
        """Whole events without those that are bare usage; the first figure stands ``at``. Their lines end with LF."""
        kept, begun = list[bytes](), 0
        while at >= 0:
            start, end = data.rfind(b"\n\n", 0, at), data.find(b"\n\n", at) + 2
            start = start + 2 if start >= 0 else 0
            if self._takes(data[start:end]):
                kept.append(data[begun:start])
                begun = end
            at = data.find(_FIGURE, end)
        kept.append(data[begun:])
        return b"".join(kept)

    def close(self) -> bytes:
        """What an unfinished last event leaves behind."""
        rest, self._tail = self._tail, b""
        return b"" if self._takes(rest) else rest

    def _takes(self, block: bytes) -> bool:
        if not _is_bare_usage(block):
            return False
        self.withheld = block
        return True


def _first_boundary(data: bytes) -> int:
    """Offset after the first blank line in ``data``, 0 when there is none."""
    ends = [at + len(mark) for mark in _BLANK_LINES if (at := data.find(mark)) >= 0]
    return min(ends, default=0)


def _last_boundary(data: bytes) -> int:
    """Offset after the last blank line in ``data``, 0 when there is none."""
    return max(at + len(mark) if (at := data.rfind(mark)) >= 0 else 0 for mark in _BLANK_LINES)


def _blocks(data: bytes) -> list[bytes]:
    """Events of ``data``, each with its own blank line, so that joining them gives ``data`` back."""
    mark = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n" if b"\n\n" in data else b"\r\r"
    blocks = [block + mark for block in data.split(mark)]
    blocks[-1] = blocks[-1][: -len(mark)]
    return blocks


def _is_bare_usage(block: bytes) -> bool:
    if block.find(_FIGURE) < 0:
        return False
    if block[:6] == b"data: " and block.find(b"\n") == len(block) - 2:
        return read_chunk(block[6:-2]).bare_usage
    for payload in Framer().feed(block.rstrip(b"\r\n") + b"\n\n"):
        if payload and read_chunk(payload).bare_usage:
            return True
    return False
