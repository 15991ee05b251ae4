"""A dialect: how one kind of provider says no, what its response heads carry, and where its key is.

What an endpoint answers is in the dialect's routes; the faults and the server know dialects by this entry alone.
"""

from collections.abc import Callable, Mapping

import orjson
from msgspec import Struct

from .reply import Call, Object, Oddities, Refused, Reply, event

Pairs = tuple[tuple[bytes, bytes], ...]
FAILURES = (
    "rate-limit", "quota", "overloaded", "context-length", "content-policy", "model-missing", "bad-key", "server-error",
)  # fmt: skip
"""The failures that every dialect has words for."""


def _nothing(call: Call) -> None:
    return None


def _same(call: Call, reply: Reply) -> Reply:
    return reply


class Dialect(Struct, frozen=True, kw_only=True):
    """One dialect; `failures` has an entry for each of FAILURES."""

    name: str
    paths: str
    """The paths by which the mock knows it, for the manual."""
    envelope: Callable[[Refused], Reply]
    failures: Mapping[str, Refused]
    authorize: Callable[[Call, str], None]
    """Refuse a request that does not show the key."""
    odd: tuple[Reply, ...] = ()
    """Error answers in forms that the provider's documentation does not promise."""
    headers: Pairs = ()
    identity: Callable[[int], bytes]
    """Return the header lines that differ from answer to answer."""
    waits: bool = True
    """Whether its plain 429 says how long to wait."""
    table: str = "openai"
    """The routes it is served by."""
    enter: Callable[[Call], None] = _nothing
    """Check and prepare a request before its route is looked up."""
    leave: Callable[[Call, Reply], Reply] = _same
    """Change what the route answered."""


def shown_key(call: Call, *names: str) -> str | None:
    """Return the key in the first of the headers that is there, else the bearer token, else None."""
    for name in names:
        if found := call.headers.get(name):
            return found.strip()
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def bad_key(shown: str) -> Refused:
    """Return OpenAI's refusal of a key, of which only the ends are shown."""
    masked = f"{shown[:4]}****{shown[-4:]}" if len(shown) > 12 else "****"
    return Refused(
        f"Incorrect API key provided: {masked}. You can find your API key at https://platform.openai.com/account/api-keys.",
        status=401,
        code="invalid_api_key",
    )


def _authorize(call: Call, key: str) -> None:
    shown = shown_key(call)
    for protocol in call.headers.get("sec-websocket-protocol", "").split(","):
        name, dot, given = protocol.strip().partition("openai-insecure-api-key.")
        if dot and not name:
            shown = given
    if not shown:
        raise Refused(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using "
            "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
    if shown != key:
        raise bad_key(shown)


def _identity(seed: int) -> bytes:
    return b"openai-processing-ms: %d\r\nx-request-id: req_%032x\r\n" % (seed % 90 + 10, seed)


def error_event(message: str) -> bytes:
    """Return the event that a chat stream breaks off with."""
    return event(orjson.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": None}}))


def _chunk(choices: list[Object]) -> bytes:
    head: Object = {"id": "chatcmpl-odd", "object": "chat.completion.chunk", "created": 0, "model": "odd"}
    return event(orjson.dumps({**head, "choices": choices}))


CHAT_ODDITIES = Oddities(
    error=error_event("The server had an error while processing your request."),
    malformed=b'data: {"id":"broken","choices":[{"index":0,\n\n',
    unknown=event(orjson.dumps({"object": "mock.novelty", "novelty": {"text": "nobody knows this"}}), "mock.novelty"),
    empty=_chunk([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]),
)

RATE_LIMITED = (("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "20s"))

OPENAI_FAILURES: dict[str, Refused] = {
    "rate-limit": Refused(
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again later.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
        headers=RATE_LIMITED,
    ),
    "quota": Refused(
        "You exceeded your current quota, please check your plan and billing details.",
        status=429,
        type="insufficient_quota",
        code="insufficient_quota",
        headers=(("x-should-retry", "false"),),
    ),
    "overloaded": Refused(
        "The server is currently overloaded. Please try again later.",
        status=503,
        type="service_unavailable_error",
        code="server_is_overloaded",
    ),
    "context-length": Refused(
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. "
        "Please reduce the length of the messages.",
        param="messages",
        code="context_length_exceeded",
    ),
    "content-policy": Refused(
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a "
        "different prompt.",
        code="invalid_prompt",
    ),
    "model-missing": Refused(
        "The model `mock` does not exist or you do not have access to it.", status=404, code="model_not_found"
    ),
    "bad-key": bad_key(""),
    "server-error": Refused("The engine failed, and said so with status 200.", status=500, type="server_error"),
}

OPENAI = Dialect(
    name="openai",
    paths="every path that is not named here",
    envelope=Refused.reply,
    failures=OPENAI_FAILURES,
    authorize=_authorize,
    odd=(
        Reply(status=500, body=b'{"error":"The engine failed."}'),
        Reply(status=422, body=b'{"detail":[{"loc":["body","model"],"msg":"field required","type":"missing"}]}'),
        Reply(status=500, body=b'{"message":"The engine failed.","type":"server_error","param":null,"code":null}'),
        Reply(status=500, content_type="text/plain", body=b"The engine failed."),
    ),
    headers=(
        (b"openai-organization", b"org-mock"),
        (b"openai-version", b"2020-10-01"),
        (b"x-ratelimit-limit-requests", b"10000"),
        (b"x-ratelimit-limit-tokens", b"2000000"),
        (b"x-ratelimit-remaining-requests", b"9999"),
        (b"x-ratelimit-remaining-tokens", b"1999976"),
        (b"x-ratelimit-reset-requests", b"6ms"),
        (b"x-ratelimit-reset-tokens", b"0s"),
    ),
    identity=_identity,
)
