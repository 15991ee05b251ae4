"""Every fault the mock can commit: one entry of FAULTS each, a function that changes the plan of an answer."""

import gzip
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from time import time

import orjson
from msgspec import Struct
from msgspec.structs import replace

from .chat import error_event
from .plan import Plan
from .reply import Refused, Reply

_BOMB_BYTES = 50 * 1024 * 1024


class Fault(Struct, frozen=True):
    """One fault: its name, the values it takes, what it does, and how it changes a plan."""

    name: str
    form: str
    doc: str
    apply: Callable[[Plan, str], None]


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


def _refuse(plan: Plan, refused: Refused) -> None:
    plan.reply = refused.reply()


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
    match form:
        case "" | "seconds":
            headers = [("retry-after", f"{float(amount or 1):g}")]
        case "ms":
            headers = [("retry-after-ms", f"{float(amount or 1000):g}")]
        case "date":
            headers = [("retry-after", formatdate(time() + float(amount or 2), usegmt=True))]
        case "garbage":
            headers = [("retry-after", "soon"), ("retry-after-ms", "a while")]
        case "none":
            headers = []
        case _:
            raise ValueError("unknown form")
    refused = Refused(
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again later.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
        headers=(*headers, ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "20s")),
    )
    _refuse(plan, refused)


def _quota(plan: Plan, value: str) -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    headers = (("x-should-retry", "false"),)
    refused = Refused(message, status=429, type="insufficient_quota", code="insufficient_quota", headers=headers)
    _refuse(plan, refused)


def _overloaded(plan: Plan, value: str) -> None:
    message = "The server is currently overloaded. Please try again later."
    _refuse(plan, Refused(message, status=503, type="service_unavailable_error", code="server_is_overloaded"))


def _context_length(plan: Plan, value: str) -> None:
    message = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. "
        "Please reduce the length of the messages."
    )
    _refuse(plan, Refused(message, param="messages", code="context_length_exceeded"))


def bad_key(shown: str) -> Refused:
    """Return the refusal of a key, of which only the ends are shown."""
    masked = f"{shown[:4]}****{shown[-4:]}" if len(shown) > 12 else "****"
    return Refused(
        f"Incorrect API key provided: {masked}. You can find your API key at https://platform.openai.com/account/api-keys.",
        status=401,
        code="invalid_api_key",
    )


def _bad_key(plan: Plan, value: str) -> None:
    _refuse(plan, bad_key(""))


def _reset(plan: Plan, value: str) -> None:
    plan.before = "reset"


def _reset_head(plan: Plan, value: str) -> None:
    plan.before = "reset-head"


def _close(plan: Plan, value: str) -> None:
    plan.before = "close"


def _hang(plan: Plan, value: str) -> None:
    plan.before = "hang"


def _hang_after(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _number(value, 1), "hang"


def _cut(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _number(value, 1), "fin"


def _reset_after(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending = _number(value, 1), "rst"


def _cut_mid_event(plan: Plan, value: str) -> None:
    plan.stop_after, plan.ending, plan.half_event = _number(value, 1), "fin", True


def _eof(plan: Plan, value: str) -> None:
    plan.until_eof = True
    if value:
        plan.stop_after, plan.ending = _number(value, 1), "fin"


def _malformed_sse(plan: Plan, value: str) -> None:
    plan.insert_at, plan.insert = _number(value, 1), b'data: {"id":"broken","choices":[{"index":0,\n\n'


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
    refused = Refused("The engine failed, and said so with status 200.", type="server_error")
    plan.reply = replace(refused.reply(), status=200)


def _sse_error(plan: Plan, value: str) -> None:
    if plan.reply.frames is None:
        _json_200_error(plan, value)
        return
    plan.stop_after = _number(value, 1)
    plan.last_words = error_event("The server had an error while processing your request.")


def _empty(plan: Plan, value: str) -> None:
    plan.reply = Reply(content_type=plan.reply.content_type)


def _html_502(plan: Plan, value: str) -> None:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
    plan.reply = Reply(status=502, content_type="text/html", body=page)


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
    Fault("rate-limit", "`rate-limit:seconds=2`, `:ms=1500`, `:date`, `:garbage`, `:none`", "429 with that form of Retry-After (default 1 second).", _rate_limit),
    Fault("quota", "`quota`", "429 `insufficient_quota`, not to be retried.", _quota),
    Fault("overloaded", "`overloaded`", "503 `server_is_overloaded`.", _overloaded),
    Fault("context-length", "`context-length`", "400 `context_length_exceeded`.", _context_length),
    Fault("bad-key", "`bad-key`", "401 `invalid_api_key`.", _bad_key),
    Fault("reset", "`reset`", "RST before any byte.", _reset),
    Fault("reset-head", "`reset-head`", "RST inside the response head.", _reset_head),
    Fault("close", "`close`", "FIN before any byte.", _close),
    Fault("hang", "`hang`", "Never answers.", _hang),
    Fault("hang-after", "`hang-after:n`", "Head and n events, then silence.", _hang_after),
    Fault("cut", "`cut:n`", "FIN after n events, without the terminating chunk or the rest of the length.", _cut),
    Fault("reset-after", "`reset-after:n`", "RST after n events.", _reset_after),
    Fault("cut-mid-event", "`cut-mid-event:n`", "FIN in the middle of the event after n events.", _cut_mid_event),
    Fault("eof", "`eof`, `eof:n`", "A body that ends with the connection: no length, no chunks; cut after n events when given.", _eof),
    Fault("malformed-sse", "`malformed-sse:n`", "After n events one whose JSON is broken; the rest follows.", _malformed_sse),
    Fault("no-blank-line", "`no-blank-line`", "The last event lacks the blank line that ends it.", _no_blank_line),
    Fault("length-short", "`length-short:n`", "Content-Length n bytes (default 10) below the body.", _length_short),
    Fault("length-long", "`length-long:n`", "Content-Length n bytes (default 10) above the body, then FIN.", _length_long),
    Fault("both-framings", "`both-framings`", "Content-Length and Transfer-Encoding in one head.", _both_framings),
    Fault("bad-chunk", "`bad-chunk:n`", "After n events a chunk whose size is not a number, then FIN.", _bad_chunk),
    Fault("bad-header", "`bad-header:control`, `:nul`, `:cr`, `:latin`", "A header value with that byte in it.", _bad_header),
    Fault("huge-header", "`huge-header:bytes`", "A header value of that size (default 65536).", _huge_header),
    Fault("json-200-error", "`json-200-error`", "Status 200 with an error body.", _json_200_error),
    Fault("sse-error", "`sse-error:n`", "After n events an error event, then a clean end without `[DONE]`.", _sse_error),
    Fault("empty", "`empty`", "Status 200 and a body of no bytes.", _empty),
    Fault("html-502", "`html-502`", "502 with a load balancer's HTML page.", _html_502),
    Fault("not-json", "`not-json`", "Status 200, JSON by content type, words by content.", _not_json),
    Fault("slow-drip", "`slow-drip:ms`", "The whole answer byte by byte, so many milliseconds apart (default 0).", _slow_drip),
    Fault("early", "`early:103`", "An informational answer first (default 103).", _early),
    Fault("redirect", "`redirect`, `redirect:url`", "307 to the URL (default /v1/models).", _redirect),
    Fault("gzip-bomb", "`gzip-bomb`", "50 KB of gzip that unpack to 50 MiB of zeros.", _gzip_bomb),
    Fault("null-body", "`null-body`", "Status 200 and the JSON text `null`.", _null_body),
)  # fmt: skip

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ENTRIES}
