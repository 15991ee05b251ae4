"""Every fault the mock can commit: one entry of FAULTS each, a function that changes the plan of an answer."""

import gzip
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from time import time

import orjson
from msgspec import Struct
from msgspec.structs import replace

from .dialect import CHAT_ODDITIES, OPENAI
from .doors import Door
from .plan import Plan
from .reply import Oddities, Refused, Reply

_BOMB_BYTES = 50 * 1024 * 1024
_PAGE = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"


class Fault(Struct, frozen=True):
    """One fault: its name, the values it takes, what it does, and how it changes a plan."""

    name: str
    form: str
    doc: str
    apply: Callable[[Plan, str], None]
    door: Door | None = None
    """What it makes of the whole port; no single request can ask for it."""


class BadFault(ValueError):
    """A fault nobody knows, or a value it cannot take."""


class Chosen(Struct, frozen=True):
    """A fault as a request names it; `share` is 1 for always, a period above 1 or a probability below 1."""

    fault: Fault
    value: str
    share: float


def choose(text: str) -> Chosen:
    """Read `name[:value][@share]`."""
    text, _, share = text.partition("@")
    name, _, value = text.strip().partition(":")
    fault = FAULTS.get(name)
    if fault is None:
        raise BadFault(f"Unknown fault '{name}'; the faults are {', '.join(FAULTS)}.")
    try:
        often = float(share) if share else 1.0
    except ValueError:
        often = 0.0
    if not often > 0:
        raise BadFault(f"Fault '{text}' cannot happen @{share}: use a period such as @3 or a probability such as @0.1.")
    return Chosen(fault, value, often)


def apply(chosen: Chosen, plan: Plan) -> None:
    """Change `plan` as the fault says; raise BadFault for a value it cannot take."""
    try:
        chosen.fault.apply(plan, chosen.value)
    except ValueError as problem:
        raise BadFault(
            f"Fault '{chosen.fault.name}' cannot take '{chosen.value}' ({problem}); its form is {chosen.fault.form}."
        ) from None


def _number(value: str, default: int, most: int = 100_000_000) -> int:
    number = int(value) if value else default
    if not 0 <= number <= most:
        raise ValueError(f"use 0 to {most}")
    return number


def _events(plan: Plan, value: str) -> int:
    """How many events come before the fault: a number, or `quiet` for those that carry no output."""
    return plan.reply.prelude if value == "quiet" else _number(value, 1)


def _of_the_port(plan: Plan, value: str) -> None:
    raise ValueError("it befalls the whole port: give it as the flag --fault, not as a header")


def _refuse(plan: Plan, refused: Refused) -> None:
    plan.reply = plan.dialect.envelope(refused)


def _odd(plan: Plan) -> Oddities:
    return plan.reply.odd or CHAT_ODDITIES


def _status(plan: Plan, value: str) -> None:
    if not value:
        raise ValueError("a status is needed")
    plan.status = value
    if value.isdigit() and len(value) == 3 and 200 <= int(value) < 400:
        plan.reply = replace(plan.reply, status=int(value))
        return
    message = f"The mock was told to answer with status {value}."
    status = int(value) if value.isdigit() and len(value) == 3 and int(value) >= 400 else 500
    kind = "server_error" if status >= 500 else "invalid_request_error"
    _refuse(plan, Refused(message, status=status, type=kind))


def _rate_limit(plan: Plan, value: str) -> None:
    form, _, amount = value.partition("=")
    refused = plan.dialect.failures["rate-limit"]
    headers: list[tuple[str, str]] = []
    retry: float | None = None
    match form:
        case "" | "seconds":
            seconds = float(amount or 1)
            if form or plan.dialect.waits:
                headers, retry = [("retry-after", f"{seconds:g}")], seconds
        case "ms":
            headers = [("retry-after-ms", f"{float(amount or 1000):g}")]
        case "date":
            now = time()
            later = now + float(amount or 2)
            headers = [("date", formatdate(now, usegmt=True)), ("retry-after", formatdate(later, usegmt=True))]
        case "garbage":
            headers = [("retry-after", "soon"), ("retry-after-ms", "a while")]
        case "text":
            words = f"{refused.message.removesuffix('Please try again later.').strip()} Please try again in {float(amount or 1):g}s."
            refused = Refused(words, status=429, type="requests", code=refused.code, headers=refused.headers)
        case "none":
            pass
        case _:
            raise ValueError("unknown form")
    _refuse(plan, refused.with_headers(tuple(headers), retry))


def _failure(name: str) -> Callable[[Plan, str], None]:
    def apply(plan: Plan, value: str) -> None:
        _refuse(plan, plan.dialect.failures[name])

    return apply


def _odd_error(plan: Plan, value: str) -> None:
    forms = plan.dialect.odd or OPENAI.odd
    number = _number(value, 1)
    if not 1 <= number <= len(forms):
        raise ValueError(f"use 1 to {len(forms)}")
    plan.reply = forms[number - 1]


def _reset(plan: Plan, value: str) -> None:
    plan.before = "reset"


def _reset_head(plan: Plan, value: str) -> None:
    plan.before = "reset-head"


def _close(plan: Plan, value: str) -> None:
    plan.before = "close"


def _hang(plan: Plan, value: str) -> None:
    plan.before = "hang"


def _hang_after(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _events(plan, value), "hang"


def _cut(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _events(plan, value), "fin"


def _reset_after(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _events(plan, value), "rst"


def _cut_mid_event(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending, plan.half_event = _events(plan, value), "fin", True


def _eof(plan: Plan, value: str) -> None:
    plan.until_eof = True
    if value:
        plan.stop_after, plan.ending = _events(plan, value), "fin"


def _malformed_sse(plan: Plan, value: str) -> None:
    plan.insert_at, plan.insert = _events(plan, value), _odd(plan).malformed


def _unknown_event(plan: Plan, value: str) -> None:
    plan.insert_at, plan.insert = _number(value, 1), _odd(plan).unknown


def _empty_delta(plan: Plan, value: str) -> None:
    plan.insert_at, plan.insert = _number(value, 1), _odd(plan).empty


def _duplicate(plan: Plan, value: str) -> None:
    plan.twice = _number(value, 1)


def _no_blank_line(plan: Plan, value: str) -> None:
    plan.blank_line = False


def _length_short(plan: Plan, value: str) -> None:
    plan.length_error = -_number(value, 10)


def _length_long(plan: Plan, value: str) -> None:
    plan.length_error = _number(value, 10)


def _both_framings(plan: Plan, value: str) -> None:
    plan.both_framings = True


def _bad_chunk(plan: Plan, value: str) -> None:
    plan.bad_chunk = _number(value, 1)


def _bad_header(plan: Plan, value: str) -> None:
    bad = {"": b"a\x01b", "control": b"a\x01b", "nul": b"a\x00b", "cr": b"a\rb", "latin": b"caf\xe9"}
    if value not in bad:
        raise ValueError("unknown form")
    plan.raw_headers.append(b"x-mock-bad: " + bad[value] + b"\r\n")


def _huge_header(plan: Plan, value: str) -> None:
    plan.raw_headers.append(b"x-mock-huge: " + b"h" * _number(value, 65_536) + b"\r\n")


def _json_200_error(plan: Plan, value: str) -> None:
    plan.reply = replace(plan.dialect.envelope(plan.dialect.failures["server-error"]), status=200)


def _sse_error(plan: Plan, value: str) -> None:
    if plan.reply.frames is None:
        _json_200_error(plan, value)
        return
    plan.stop_after = _events(plan, value)
    plan.last_words = _odd(plan).error


def _silent(plan: Plan, value: str) -> None:
    if plan.reply.frames is None:
        _empty(plan, value)
        return
    plan.stop_after = plan.reply.prelude


def _empty(plan: Plan, value: str) -> None:
    plan.reply = Reply(content_type=plan.reply.content_type)


def _html_502(plan: Plan, value: str) -> None:
    plan.reply = Reply(status=502, content_type="text/html", body=_PAGE)


def _html(plan: Plan, value: str) -> None:
    status = _number(value, 200, 599)
    if status < 200:
        raise ValueError("use 200 to 599")
    plan.reply = Reply(status=status, content_type="text/html; charset=utf-8", body=_PAGE)


def _not_json(plan: Plan, value: str) -> None:
    plan.reply = Reply(body=b"This is not JSON, whatever the content type says.")


def _slow_drip(plan: Plan, value: str) -> None:
    plan.drip = float(_number(value, 0))


def _early(plan: Plan, value: str) -> None:
    number = _number(value, 103)
    if not 100 <= number < 200 or number == 101:
        raise ValueError("use 100 or 102 to 199")
    plan.early = number


def _redirect(plan: Plan, value: str) -> None:
    plan.reply = Reply(status=307, headers=(("location", value or "/v1/models"),), body=b"{}")


@cache
def bomb() -> bytes:
    """Return 50 MiB of zeros in about 50 KB of gzip."""
    return gzip.compress(bytes(_BOMB_BYTES), 9, mtime=0)


def _gzip_bomb(plan: Plan, value: str) -> None:
    plan.reply = Reply(headers=(("content-encoding", "gzip"),), body=bomb())


def _null_body(plan: Plan, value: str) -> None:
    plan.reply = Reply(body=orjson.dumps(None))


_ENTRIES = (
    Fault("status", "`status:503`, `status:042`, `status:text`", "This status, written as given; below 400 the answer stays, else an error body follows.", _status),
    Fault("rate-limit", "`rate-limit:seconds=2`, `:ms=1500`, `:date`, `:garbage`, `:text=2`, `:none`", "429 with that form of Retry-After (default: 1 second, where the provider says so); `text` says it in the message.", _rate_limit),
    Fault("quota", "`quota`", "No money left: 429 `insufficient_quota`, not to be retried, or the dialect's form.", _failure("quota")),
    Fault("overloaded", "`overloaded`", "503 `server_is_overloaded`, or the dialect's form (529 at Anthropic).", _failure("overloaded")),
    Fault("context-length", "`context-length`", "400 `context_length_exceeded`, or the dialect's form.", _failure("context-length")),
    Fault("content-policy", "`content-policy`", "400 `invalid_prompt`, or the dialect's form: the provider will not answer this prompt.", _failure("content-policy")),
    Fault("model-missing", "`model-missing`", "404 `model_not_found`, or the dialect's form (400 at Bedrock).", _failure("model-missing")),
    Fault("bad-key", "`bad-key`", "401 `invalid_api_key`, or the dialect's form.", _failure("bad-key")),
    Fault("refused", "`refused`", "Connections are refused; a flag alone.", _of_the_port, "shut"),
    Fault("black-hole", "`black-hole`", "Connections are never made, nor refused; a flag alone.", _of_the_port, "stuck"),
    Fault("reset", "`reset`", "RST before any byte.", _reset),
    Fault("reset-head", "`reset-head`", "RST inside the response head.", _reset_head),
    Fault("close", "`close`", "FIN before any byte.", _close),
    Fault("hang", "`hang`", "Never answers.", _hang),
    Fault("hang-after", "`hang-after:n`, `hang-after:quiet`", "Head and n events, then silence.", _hang_after),
    Fault("cut", "`cut:n`, `cut:quiet`", "FIN after n events, without the terminating chunk or the rest of the length.", _cut),
    Fault("reset-after", "`reset-after:n`, `reset-after:quiet`", "RST after n events.", _reset_after),
    Fault("cut-mid-event", "`cut-mid-event:n`, `cut-mid-event:quiet`", "FIN in the middle of the event after n events.", _cut_mid_event),
    Fault("eof", "`eof`, `eof:n`", "A body that ends with the connection: no length, no chunks; cut after n events when given.", _eof),
    Fault("malformed-sse", "`malformed-sse:n`, `malformed-sse:quiet`", "After n events one whose JSON is broken; the rest follows.", _malformed_sse),
    Fault("unknown-event", "`unknown-event:n`", "After n events one of a type that nobody knows; the rest follows.", _unknown_event),
    Fault("empty-delta", "`empty-delta:n`", "After n events one that adds nothing; the rest follows.", _empty_delta),
    Fault("duplicate", "`duplicate:n`", "The n-th event comes twice.", _duplicate),
    Fault("no-blank-line", "`no-blank-line`", "The last event lacks the blank line that ends it.", _no_blank_line),
    Fault("length-short", "`length-short:n`", "Content-Length n bytes (default 10) below the body.", _length_short),
    Fault("length-long", "`length-long:n`", "Content-Length n bytes (default 10) above the body, then FIN.", _length_long),
    Fault("both-framings", "`both-framings`", "Content-Length and Transfer-Encoding in one head.", _both_framings),
    Fault("bad-chunk", "`bad-chunk:n`", "After n events a chunk whose size is not a number, then FIN.", _bad_chunk),
    Fault("bad-header", "`bad-header:control`, `:nul`, `:cr`, `:latin`", "A header value with that byte in it.", _bad_header),
    Fault("huge-header", "`huge-header:bytes`", "A header value of that size (default 65536).", _huge_header),
    Fault("json-200-error", "`json-200-error`", "Status 200 with an error body.", _json_200_error),
    Fault("sse-error", "`sse-error:n`, `sse-error:quiet`", "After n events an error event, then a clean end without `[DONE]`; `sse-error:0` is an error before any output. A plain answer is a `json-200-error`.", _sse_error),
    Fault("silent", "`silent`", "The events that carry no output, then a clean end. A plain answer is `empty`.", _silent),
    Fault("empty", "`empty`", "Status 200 and a body of no bytes.", _empty),
    Fault("html-502", "`html-502`", "502 with a load balancer's HTML page.", _html_502),
    Fault("html", "`html:200`", "That page with another status (default 200).", _html),
    Fault("odd-error", "`odd-error:n`", "The dialect's n-th error body that no documentation promises: an array, a text, `detail` …", _odd_error),
    Fault("not-json", "`not-json`", "Status 200, JSON by content type, words by content.", _not_json),
    Fault("slow-drip", "`slow-drip:ms`", "The whole answer byte by byte, so many milliseconds apart (default 0).", _slow_drip),
    Fault("early", "`early:103`", "An informational answer first (default 103).", _early),
    Fault("redirect", "`redirect`, `redirect:url`", "307 to the URL (default /v1/models).", _redirect),
    Fault("gzip-bomb", "`gzip-bomb`", "50 KB of gzip that unpack to 50 MiB of zeros.", _gzip_bomb),
    Fault("null-body", "`null-body`", "Status 200 and the JSON text `null`.", _null_body),
)  # fmt: skip

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ENTRIES}
