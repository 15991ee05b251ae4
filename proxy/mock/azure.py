"""Azure OpenAI: OpenAI's API under deployments or /openai/v1, with the verdicts of content filters."""

from collections.abc import Iterator

import orjson
from msgspec.structs import replace

from .dialect import FAILURES, OPENAI_FAILURES, RATE_LIMITED, Dialect, shown_key
from .reply import FLAG, SSE, Call, Object, Refused, Reply, event

_SAFE: Object = {"filtered": False, "severity": "safe"}
_VERDICTS: Object = {"hate": _SAFE, "self_harm": _SAFE, "sexual": _SAFE, "violence": _SAFE}
_PROMPT = [
    {
        "prompt_index": 0,
        "content_filter_results": {**_VERDICTS, "jailbreak": {"filtered": False, "detected": False}},
    }
]


def _enter(call: Call) -> None:
    """Take the deployment and the version off the path, and refuse prompts that say `mock-flag`."""
    rest = call.path.removeprefix("/openai/")
    if rest.startswith("v1/"):
        call.path = rest[2:]
    else:
        if not call.query.get("api-version"):
            raise Refused("Resource not found", status=404)
        deployment = None
        if rest.startswith("deployments/"):
            deployment, _, rest = rest.removeprefix("deployments/").partition("/")
            if deployment.startswith("missing-"):
                raise Refused(
                    "The API deployment for this resource does not exist. If you created the deployment within the "
                    "last 5 minutes, please wait a moment and try again.",
                    status=404,
                    code="DeploymentNotFound",
                )
        call.path = f"/{rest}"
        if deployment and call.is_json and call.method == "POST":
            call.document()["model"] = deployment
    if call.path == "/chat/completions" and FLAG in call.body:
        raise _FILTERED


def _leave(call: Call, reply: Reply) -> Reply:
    """Add the verdicts to the answers of chat."""
    if call.path != "/chat/completions" or reply.status != 200 or call.method != "POST":
        return reply
    if reply.frames is not None and reply.content_type == SSE:
        return replace(reply, frames=_judged(reply.frames), prelude=reply.prelude + 1)
    whole = orjson.loads(reply.body)
    for choice in whole["choices"]:
        choice["content_filter_results"] = _VERDICTS
    return replace(reply, body=orjson.dumps({**whole, "prompt_filter_results": _PROMPT}))


def _judged(frames: Iterator[bytes]) -> Iterator[bytes]:
    """Yield first the verdict on the prompt, in a chunk without choices, id or model."""
    first = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": _PROMPT}
    yield event(orjson.dumps(first))
    for frame in frames:
        if not frame.startswith(b'data: {"'):
            yield frame
            continue
        chunk = orjson.loads(frame[6:])
        for choice in chunk["choices"]:
            choice["content_filter_results"] = _VERDICTS if choice["delta"].get("content") else {}
        yield event(orjson.dumps(chunk))


def envelope(refused: Refused) -> Reply:
    """Return Azure's error body: the code is a word, or the status as text."""
    error: Object = {"code": refused.code or str(refused.status), "message": refused.message}
    if refused.status == 400:
        error |= {"type": refused.error["type"], "param": refused.error["param"], "status": 400}
    if refused.code == "content_filter":
        verdicts = {**_VERDICTS, "violence": {"filtered": True, "severity": "high"}}
        error["innererror"] = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": verdicts}
    return Reply(status=refused.status, body=orjson.dumps({"error": error}), headers=refused.headers)


_FILTERED = Refused(
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your "
    "prompt and retry.",
    param="prompt",
    code="content_filter",
)
_BAD_KEY = Refused(
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active "
    "subscription and use a correct regional API endpoint for your resource.",
    status=401,
)


def _authorize(call: Call, key: str) -> None:
    if shown_key(call, "api-key") != key:
        raise _BAD_KEY


_FAILURES = {
    "rate-limit": Refused(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your "
        "current pricing tier. Please retry after 1 second.",
        status=429,
        headers=RATE_LIMITED,
    ),
    "quota": Refused("Quota exceeded for this deployment.", status=429, code="insufficient_quota"),
    "overloaded": Refused("The service is temporarily unable to process your request.", status=503, code="NoCapacity"),
    "content-policy": _FILTERED,
    "model-missing": Refused(
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please "
        "wait a moment and try again.",
        status=404,
        code="DeploymentNotFound",
    ),
    "bad-key": _BAD_KEY,
    "server-error": Refused("The server had an error processing your request.", status=500, code="InternalServerError"),
}
AZURE = Dialect(
    name="azure",
    paths="`/openai/deployments/{deployment}/…?api-version=`, `/openai/v1/…`, `/openai/…?api-version=`",
    envelope=envelope,
    failures={name: _FAILURES.get(name, OPENAI_FAILURES[name]) for name in FAILURES},
    authorize=_authorize,
    odd=(
        Reply(status=401, body=b'{"statusCode":401,"message":"Access denied due to missing subscription key."}'),
        Reply(status=429, body=b'{"error":{"code":"429","message":"Too many requests."}}'),
        Reply(status=424, body=b'{"error":{"code":"424","message":"Failed dependency.","type":null,"param":null}}'),
    ),
    headers=(
        (b"apim-request-id", b"00000000-0000-4000-8000-000000000000"),
        (b"x-ms-region", b"Mock Region"),
        (b"x-ms-rai-invoked", b"true"),
        (b"x-ratelimit-limit-requests", b"1000"),
        (b"x-ratelimit-limit-tokens", b"1000000"),
        (b"x-ratelimit-remaining-requests", b"999"),
        (b"x-ratelimit-remaining-tokens", b"999000"),
    ),
    identity=lambda seed: b"x-request-id: %032x\r\n" % seed,
    enter=_enter,
    leave=_leave,
)
