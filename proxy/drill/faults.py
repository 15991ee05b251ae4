"""What a drill does to a target: one row a fault, with the outcome that a client may expect of each.

The expectations are those of the manual, on purpose not read from the gateway's own table of faults.
"""

from typing import Literal

from msgspec import Struct

Effect = Literal["fails", "senseless", "breaks", "refused", "harmless", "odd"]
"""What a fault leaves of a try.

``fails``: nothing, so another target has to answer; ``senseless``: a whole answer that is none, likewise; ``breaks``: an answer
that has begun and does not end; ``refused``: the request itself is at fault, the answer goes back at once; ``harmless``: the
answer, whole; ``odd``: an answer that the client has to judge, or an error.
"""

Door = Literal["", "shut", "stuck"]
"""A port that refuses, or that never answers, in place of a mock that listens."""

Silence = Literal["", "connect", "answer"]
"""The time limit that has to pass before the fault is known."""

Named = Literal["", "context_length", "content_policy"]
"""The fallbacks that a configuration can name for this fault alone."""

LATE = 8
"""Events after which a stream has said something and is not yet done, in every dialect."""


class Drilled(Struct, frozen=True, kw_only=True):
    """One fault. ``told``: what the mock is told; ``plain`` and ``stream``: its effect, ``None`` where it does not apply.

    ``statuses``: what a client may see when nobody else can answer; ``again``: may the same target be tried once more?
    ``wide``: does it befall a whole provider, with all its targets? ``waits``: does the answer say when to come back?
    """

    name: str
    group: str
    told: str = ""
    door: Door = ""
    plain: Effect | None = "fails"
    stream: Effect | None = "fails"
    statuses: tuple[int, ...] = ()
    again: bool = False
    wide: bool = False
    waits: bool = False
    asks: float = 0.0
    """Seconds that it asks a client to wait; a value nobody can read counts as five."""
    silence: Silence = ""
    named: Named = ""

    def effect(self, *, stream: bool) -> Effect | None:
        """Its effect on one kind of request."""
        return self.stream if stream else self.plain


def _fails(name: str, group: str, *statuses: int, told: str = "", again: bool = True) -> Drilled:
    return Drilled(name=name, group=group, told=told or name, statuses=statuses, again=again)


def _limited(name: str, form: str, asks: float, *, waits: bool = True) -> Drilled:
    """``waits``: is what it asks for in a header, so that it has to reach the client?"""
    told = f"rate-limit:{form}"
    return Drilled(name=name, group="rate limit", told=told, statuses=(429,), again=True, waits=waits, asks=asks)


def _status(status: int, group: str = "status", *seen: int, again: bool = True) -> Drilled:
    return _fails(f"status-{status}", group, *(seen or (status,)), told=f"status:{status}", again=again)


def _late(name: str, *, plain: Effect = "fails", silence: Silence = "", status: int = 502) -> Drilled:
    return Drilled(
        name=f"{name}-late",
        group="after the first output",
        told=f"{name}:{LATE}",
        plain=plain,
        stream="breaks",
        statuses=(status,),
        silence=silence,
    )


def _early(name: str, *, silence: Silence = "", status: int = 502) -> Drilled:
    return Drilled(
        name=f"{name}-early",
        group="before the first output",
        told=f"{name}:quiet",
        statuses=(status,),
        again=True,
        silence=silence,
    )


def _senseless(name: str, told: str = "") -> Drilled:
    return Drilled(
        name=name, group="inside a 200", told=told or name, plain="senseless", stream="senseless", again=True
    )


def _whole(name: str, told: str = "", *, plain: Effect | None = "harmless", stream: Effect = "harmless") -> Drilled:
    return Drilled(name=name, group="harmless", told=told or name, plain=plain, stream=stream)


_ROWS = (
    Drilled(name="refused", group="connection", door="shut", statuses=(502,), again=True, wide=True),
    Drilled(
        name="black-hole", group="connection", door="stuck", statuses=(504,), again=True, wide=True, silence="connect"
    ),
    _fails("reset", "connection", 502),
    _fails("close", "connection", 502),
    _fails("reset-head", "connection", 502),
    Drilled(name="hang", group="connection", told="hang", statuses=(504,), again=True, silence="answer"),
    _status(408),
    _status(409),
    _status(425),
    _status(500),
    _status(502),
    _status(503),
    _status(504),
    _status(529),
    _fails("overloaded", "status", 503, 529),
    _fails("html-502", "status", 502),
    Drilled(name="odd-error", group="status", told="odd-error:1", plain="odd", stream="odd"),
    _fails("model-missing", "status", 400, 404, again=False),
    # It says nothing of a model, so that in most dialects it is the client's.
    Drilled(name="status-404", group="status", told="status:404", plain="odd", stream="odd"),
    _status(413, "status", again=False),
    _limited("rate-limit", "seconds=1", 1.0),
    _limited("rate-limit-ms", "ms=500", 0.5),
    _limited("rate-limit-date", "date=2", 2.0),
    _limited("rate-limit-garbage", "garbage", 5.0, waits=False),
    _limited("rate-limit-text", "text=1", 1.0, waits=False),
    _limited("rate-limit-silent", "none", 0.0, waits=False),
    Drilled(name="bad-key", group="credentials", told="bad-key", statuses=(502,), wide=True),
    Drilled(name="status-403", group="credentials", told="status:403", statuses=(502,), wide=True),
    Drilled(name="status-402", group="credentials", told="status:402", statuses=(402, 429, 502), wide=True),
    Drilled(name="quota", group="credentials", told="quota", statuses=(400, 402, 429, 502), wide=True),
    _senseless("error-in-200", "json-200-error"),
    Drilled(name="error-first", group="inside a 200", told="sse-error:0", plain=None, stream="senseless", again=True),
    _senseless("empty"),
    _senseless("silent"),
    _senseless("not-json"),
    _senseless("null-body"),
    _senseless("html", "html:200"),
    _senseless("redirect"),
    _senseless("gzip-bomb"),
    Drilled(
        name="length-short", group="inside a 200", told="length-short:10", plain="senseless", stream=None, again=True
    ),
    Drilled(name="length-long", group="not HTTP", told="length-long:10", stream=None, statuses=(502,), again=True),
    _fails("both-framings", "not HTTP", 502),
    _fails("bad-header", "not HTTP", 502, told="bad-header:control"),
    _fails("huge-header", "not HTTP", 502, told="huge-header:200000"),
    _fails("status-042", "not HTTP", 502, told="status:042"),
    _fails("status-text", "not HTTP", 502, told="status:text"),
    _early("cut"),
    _early("reset-after"),
    _early("cut-mid-event"),
    _early("hang-after", silence="answer", status=504),
    Drilled(
        name="sse-error-early",
        group="before the first output",
        told="sse-error:quiet",
        plain=None,
        stream="senseless",
        again=True,
    ),
    _late("cut"),
    _late("reset-after"),
    _late("cut-mid-event"),
    _late("bad-chunk"),
    _late("hang-after", silence="answer", status=504),
    _late("eof", plain="senseless"),
    Drilled(
        name="sse-error-late", group="after the first output", told=f"sse-error:{LATE}", plain=None, stream="breaks"
    ),
    Drilled(
        name="context-length",
        group="the request",
        told="context-length",
        plain="refused",
        stream="refused",
        statuses=(400,),
        named="context_length",
    ),
    Drilled(
        name="content-policy",
        group="the request",
        told="content-policy",
        plain="refused",
        stream="refused",
        statuses=(400,),
        named="content_policy",
    ),
    Drilled(
        name="status-400", group="the request", told="status:400", plain="refused", stream="refused", statuses=(400,)
    ),
    Drilled(
        name="status-422", group="the request", told="status:422", plain="refused", stream="refused", statuses=(422,)
    ),
    _whole("early-hints", "early:103"),
    _whole("eof"),
    _whole("slow-drip"),
    _whole("latin-header", "bad-header:latin"),
    _whole("large-header", "huge-header:30000"),
    _whole("no-blank-line", plain=None),
    _whole("unknown-event", f"unknown-event:{LATE}", plain=None),
    _whole("empty-delta", f"empty-delta:{LATE}", plain=None),
    _whole("duplicate", f"duplicate:{LATE}", plain=None, stream="odd"),
    _whole("malformed-sse", f"malformed-sse:{LATE}", plain=None, stream="odd"),
)

DRILLED: dict[str, Drilled] = {row.name: row for row in _ROWS}
HEALTHY = Drilled(name="none", group="healthy", plain="harmless", stream="harmless")
"""No fault: what every target and every route has to get right first."""
