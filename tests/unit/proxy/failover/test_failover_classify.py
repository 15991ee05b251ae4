"""Which fault a failed try is, provider by provider, and what must not be taken for one."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.failover import classify
from proxy.failover.told import LARGEST
from proxy.policy.faults import ACTIONS, Fault, FaultKind
from proxy.providers.bedrock.errors import error_of as bedrock_error
from proxy.providers.cohere.errors import error_of as cohere_error
from proxy.providers.gemini.errors import error_answer as gemini_error
from proxy.upstream import foreign
from proxy.wire.endpoints import Dialect

Body = dict[str, object] | list[object] | str


def openai(message: str = "No.", **members: object) -> Body:
    return {"error": {"message": message, "type": None, "param": None, "code": None, **members}}


def claude(kind: str, message: str = "No.") -> Body:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code: int, status: str, message: str = "No.", **more: object) -> Body:
    return {"error": {"code": code, "message": message, "status": status, **more}}


def amazon(kind: str, message: str = "No.") -> Body:
    return {"message": message, "__type": f"com.amazon.coral#{kind}"}


DAILY = [{"@type": "x.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}]
BAD_KEY = [{"@type": "x.ErrorInfo", "reason": "API_KEY_INVALID"}]
TPM = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 52131."

ANSWERS: list[tuple[int, Body, FaultKind]] = [
    # OpenAI and those who follow it.
    (429, openai("Rate limit reached", type="requests", code="rate_limit_exceeded"), "rate_limited"),
    (429, openai("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"), "quota"),
    (429, openai(code="credit_balance_exhausted", type="insufficient_quota"), "quota"),
    (429, openai(TPM, type="tokens", code="rate_limit_exceeded"), "too_large"),
    (400, openai(code="billing_hard_limit_reached", type="invalid_request_error"), "quota"),
    (400, openai(code="context_length_exceeded", type="invalid_request_error"), "context_length"),
    (400, openai(code="content_policy_violation", type="invalid_request_error"), "content_policy"),
    (400, openai("Your request was rejected as a result of our safety system.", code="moderation_blocked"), "content_policy"),
    (400, openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy."), "content_policy"),
    (400, openai(code="unsupported_parameter", type="invalid_request_error"), "client"),
    (400, openai(code="previous_response_not_found", type="invalid_request_error"), "client"),
    (401, openai(code="invalid_api_key", type="invalid_request_error"), "credentials"),
    (403, openai(code="unsupported_country_region_territory", type="request_forbidden"), "model_missing"),
    (403, openai(code="model_not_found", type="invalid_request_error"), "model_missing"),
    (403, openai(code="insufficient_permissions", type="invalid_request_error"), "forbidden"),
    (403, openai("You have insufficient permissions for this operation. Missing scopes: api.files.read."), "forbidden"),
    (401, openai("You have insufficient permissions for this operation. Missing scopes: api.files.read."), "forbidden"),
    (403, openai("Your organization must be verified to use the model `gpt-image-1`."), "forbidden"),
    (403, openai("Your API key has been disabled."), "credentials"),
    (403, openai("Invalid API key provided."), "credentials"),
    (424, openai("Error retrieving tool list from MCP server", type="external_connector_error", code="http_error"), "client"),
    (404, openai(code="model_not_found", type="invalid_request_error"), "model_missing"),
    (404, openai("Invalid URL (POST /v1/foo)", type="invalid_request_error"), "client"),
    (408, openai(), "conflict"),
    (409, openai(code="conversation_locked"), "conflict"),
    (425, openai(), "conflict"),
    (413, openai("Request body too large"), "too_large"),
    (415, openai(), "client"),
    (422, {"detail": [{"loc": ["body", "n"], "msg": "extra", "type": "extra_forbidden"}]}, "client"),
    (500, openai(type="server_error"), "server_error"),
    (502, "<html><title>502 Bad Gateway</title></html>", "server_error"),
    (503, openai(type="service_unavailable_error"), "overloaded"),
    (503, "upstream connect error", "overloaded"),
    (500, openai(code="server_is_overloaded"), "overloaded"),
    (520, "", "server_error"),
    # Azure.
    (400, openai(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), "content_policy"),
    (404, openai(code="DeploymentNotFound"), "model_missing"),
    (404, openai("Resource not found", code="404"), "client"),
    (429, openai(code="429"), "rate_limited"),
    (429, openai(code="NoCapacity"), "overloaded"),
    (401, {"statusCode": 401, "message": "Access denied due to invalid subscription key"}, "credentials"),
    (424, openai(), "server_error"),
    # Anthropic.
    (400, claude("invalid_request_error", "prompt is too long: 213000 tokens > 200000 maximum"), "context_length"),
    (400, claude("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"), "context_length"),
    (400, claude("invalid_request_error", "Output blocked by content filtering policy"), "content_policy"),
    (400, claude("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), "quota"),
    (400, claude("invalid_request_error", "messages: at least one message is required"), "client"),
    (401, claude("authentication_error"), "credentials"),
    (402, claude("billing_error"), "quota"),
    (403, claude("permission_error"), "forbidden"),
    (403, claude("permission_error", "Your API key does not have permission to use the specified resource."), "forbidden"),
    (403, claude("permission_error", "OAuth authentication is currently not allowed for this organization."), "credentials"),
    (404, claude("not_found_error", "model: claude-9"), "model_missing"),
    (404, claude("not_found_error", "Not Found"), "client"),
    (404, claude("not_found_error", "File not found: file_1"), "client"),
    (409, claude("conflict_error"), "conflict"),
    (413, claude("request_too_large"), "too_large"),
    (429, claude("rate_limit_error"), "rate_limited"),
    (500, claude("api_error"), "server_error"),
    (500, claude("overloaded_error"), "overloaded"),
    (504, claude("timeout_error"), "server_error"),
    (529, claude("overloaded_error"), "overloaded"),
    # Gemini and Vertex.
    (400, google(400, "INVALID_ARGUMENT", "API key not valid.", details=BAD_KEY), "credentials"),
    (400, google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."), "context_length"),
    (400, google(400, "INVALID_ARGUMENT", "Unknown name \"foo\""), "client"),
    (400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "model_missing"),
    (400, google(400, "FAILED_PRECONDITION", "The File x is not in an ACTIVE state"), "client"),
    (403, google(403, "PERMISSION_DENIED"), "forbidden"),
    (403, google(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."), "credentials"),
    (403, google(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."), "credentials"),
    (403, google(403, "PERMISSION_DENIED", "Requests to this API by this API key are blocked.", details=[{"reason": "API_KEY_SERVICE_BLOCKED"}]), "credentials"),
    (403, google(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"), "client"),
    (403, google(403, "PERMISSION_DENIED", "You do not have permission to access the File x or it may not exist."), "client"),
    (404, google(404, "NOT_FOUND", "models/gemini-9 is not found"), "model_missing"),
    (429, google(429, "RESOURCE_EXHAUSTED"), "rate_limited"),
    (429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded; check your plan and billing", details=DAILY), "quota"),
    (429, [google(429, "RESOURCE_EXHAUSTED")], "rate_limited"),
    (499, google(499, "CANCELLED"), "server_error"),
    (500, google(500, "INTERNAL"), "server_error"),
    (503, google(503, "UNAVAILABLE", "The model is overloaded."), "overloaded"),
    # Bedrock.
    (400, amazon("ValidationException", "Input is too long for requested model."), "context_length"),
    (400, amazon("ValidationException", "This request has been blocked by our content filters."), "content_policy"),
    (400, amazon("ValidationException", "The tool name is malformed."), "client"),
    (400, amazon("ExpiredTokenException"), "credentials"),
    (400, amazon("ServiceQuotaExceededException"), "rate_limited"),
    (403, amazon("UnrecognizedClientException"), "credentials"),
    (403, amazon("AccessDeniedException", "You don't have access to the model with the specified model ID."), "model_missing"),
    (404, amazon("ResourceNotFoundException", "Could not resolve the foundation model from the model identifier."), "model_missing"),
    (408, amazon("ModelTimeoutException"), "conflict"),
    (424, amazon("ModelErrorException"), "server_error"),
    (429, amazon("ThrottlingException", "Too many tokens, please wait before trying again."), "rate_limited"),
    (429, amazon("ModelNotReadyException"), "overloaded"),
    (503, amazon("ServiceUnavailableException"), "overloaded"),
    # Cohere.
    (400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 128000", "id": "1"}, "context_length"),
    (400, {"message": "invalid request: message must be at least 1 token long", "id": "1"}, "client"),
    (401, {"message": "invalid api token"}, "credentials"),
    (429, {"message": "You are past the per minute request limit"}, "rate_limited"),
    (498, {"message": "invalid api token"}, "credentials"),
    (503, {"message": "unavailable"}, "overloaded"),
    # Others.
    (498, openai(code="capacity_exceeded"), "overloaded"),
    (429, {"message": "queue", "type": "too_many_requests_error", "param": "queue", "code": "queue_exceeded"}, "overloaded"),
    (429, openai(type="engine_overloaded_error"), "overloaded"),
    (429, openai(type="exceeded_current_quota_error"), "quota"),
    (402, openai("Insufficient Balance"), "quota"),
    (402, openai("This request requires more credits, or fewer max_tokens. You can only afford 12.", code=402), "too_large"),
    (403, openai('openai/gpt-4 requires moderation. Your input was flagged for "x".', code=403), "content_policy"),
    (403, "<html><title>Attention Required!</title><h1>Sorry, you have been blocked</h1></html>", "forbidden"),
    (429, openai(code="1113"), "quota"),
    (400, openai(code="1301"), "content_policy"),
    (400, openai(code="data_inspection_failed"), "content_policy"),
    (403, {"code": "x", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, "content_policy"),
    (400, {"code": "invalid-argument", "error": "This model's maximum prompt length is 131072 but the request contains 200000"}, "context_length"),
    (400, {"object": "error", "message": "This model's maximum context length is 8192 tokens.", "type": "BadRequestError", "code": 400}, "context_length"),
    (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, "model_missing"),
    (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no endpoint"}, "model_missing"),
    (404, {"detail": "Not Found"}, "client"),
    (413, openai(code="tokens_limit_reached"), "too_large"),
    (400, {"error": "the request exceeds the available context size"}, "context_length"),
    (400, "bare words", "client"),
    (418, "", "client"),
]  # fmt: skip


def raw(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


@pytest.mark.parametrize(
    ("status", "body", "kind"), ANSWERS, ids=[f"{kind}-{at}" for at, (_, _, kind) in enumerate(ANSWERS)]
)
def test_error_answers(status: int, body: Body, kind: FaultKind) -> None:
    fault = classify.of_answer(status, (), raw(body))
    assert fault is not None
    assert (fault.kind, fault.status) == (kind, status)
    if fault.detail:
        assert " " not in fault.detail


def test_amazons_kind_is_in_a_header_too() -> None:
    headers = ((b"x-amzn-errortype", b"ThrottlingException:http://internal.amazon.com/x"),)
    fault = classify.of_answer(400, headers, b'{"message":"Too many requests"}')
    assert fault is not None
    assert (fault.kind, fault.detail) == ("rate_limited", "ThrottlingException")


def test_the_wait_is_the_headers_else_the_bodys() -> None:
    body = raw(google(429, "RESOURCE_EXHAUSTED", details=[{"retryDelay": "34s"}]))
    told = classify.of_answer(429, (), body)
    asked = classify.of_answer(429, ((b"retry-after", b"Thu, 01 Jan 1970 00:00:20 GMT"),), body, now=13.0)
    assert told is not None
    assert asked is not None
    assert (told.wait, asked.wait) == (34.0, 7.0)
    limits = ((b"x-ratelimit-reset", b"9"), (b"x-ratelimit-remaining", b"0"))
    spent, busy = (classify.of_answer(status, limits, b"{}") for status in (429, 503))
    assert spent is not None
    assert busy is not None
    assert (spent.wait, busy.wait) == (9.0, None)
    silent = classify.of_answer(429, (), b"{}")
    assert silent is not None
    assert silent.wait is None


@pytest.mark.parametrize(("status", "kind"), [(0, "invalid"), (42, "invalid"), (600, "invalid"), (99999, "invalid")])
def test_a_status_that_is_none(status: int, kind: FaultKind) -> None:
    fault = classify.of_answer(status, (), b"")
    assert fault is not None
    assert fault.kind == kind


def test_only_a_bounded_part_of_a_body_is_read() -> None:
    padded = orjson.dumps({"pad": "x" * LARGEST, "error": {"code": "insufficient_quota"}})
    fault = classify.of_answer(429, (), padded)
    assert fault is not None
    assert fault.kind == "rate_limited"


@pytest.mark.parametrize("status", [200, 204, 301, 304, 399])
def test_what_is_no_error_answer(status: int) -> None:
    assert classify.of_answer(status, (), raw(openai(code="insufficient_quota"))) is None


# ---- what was raised ------------------------------------------------------------------------------------------------

REJECTED = errors.UpstreamRejected
RAISED: list[tuple[errors.TollwayError, FaultKind, int]] = [
    (errors.UpstreamUnavailable("x"), "connect", 0),
    (errors.UpstreamDropped("x"), "dropped", 0),
    (errors.UpstreamTlsFailed("x"), "tls", 0),
    (errors.UpstreamConnectTimeout("x"), "connect_timeout", 0),
    (errors.UpstreamTimeout("x"), "timeout", 0),
    (errors.UpstreamInvalid("x"), "invalid", 0),
    (errors.UpstreamCut("x"), "cut", 0),
    (errors.UpstreamAuthFailed("x"), "credentials", 0),
    (errors.UpstreamAuthFailed("x", detail="status 401: some words"), "credentials", 401),
    (errors.UpstreamAuthFailed("x", detail="status 403: some words"), "forbidden", 403),
    (errors.UpstreamAuthFailed("x", detail="status 403: Your API key has been revoked."), "credentials", 403),
    (
        errors.UpstreamAuthFailed("x", detail="status 403: CachedContent not found (or permission denied)"),
        "client",
        403,
    ),
    (errors.UpstreamAuthFailed("x", detail="status 400: ExpiredTokenException: It has."), "credentials", 400),
    (errors.UpstreamRefused("x", status=503), "overloaded", 503),
    (errors.RateLimited("x"), "limited_here", 0),
    (errors.BudgetExceeded("x"), "limited_here", 0),
    (errors.EndpointUnsupported("x"), "model_missing", 0),
    (errors.InvalidRequest("x"), "client", 0),
    (errors.ClientGone("x"), "client", 0),
    (errors.DeadlineExceeded("x"), "client", 0),
    (errors.GatewayDraining(), "client", 0),
    (errors.InternalError(), "client", 0),
    (REJECTED("x", status=429, type="rate_limit_error", code="rate_limit_exceeded"), "rate_limited", 429),
    (REJECTED("x", status=429, type="insufficient_quota", code="insufficient_quota"), "quota", 429),
    (REJECTED("x", status=400, type="invalid_request_error", code="context_length_exceeded"), "context_length", 400),
    (REJECTED("x", status=429, type="rate_limit_error", code="context_length_exceeded"), "too_large", 429),
    (REJECTED("x", status=400, type="invalid_request_error", code="content_filter"), "content_policy", 400),
    (REJECTED("x", status=403, type="permission_error", code="content_filter"), "content_policy", 403),
    (REJECTED("x", status=404, type="invalid_request_error", code="model_not_found"), "model_missing", 404),
    (REJECTED("prompt is too long: 9 > 8", status=400, type="invalid_request_error"), "context_length", 400),
    (REJECTED("n is too large", status=400, type="invalid_request_error"), "client", 400),
    (REJECTED("x", status=503, type="server_error", code="overloaded"), "overloaded", 503),
    (REJECTED("x", status=502, type="server_error"), "server_error", 502),
    (REJECTED("x", status=413, type="invalid_request_error", code="request_too_large"), "too_large", 413),
    (REJECTED("x", status=408, type="server_error", code="timeout"), "conflict", 408),
]


@pytest.mark.parametrize(
    ("error", "kind", "status"), RAISED, ids=[f"{type(error).__name__}-{kind}" for error, kind, _ in RAISED]
)
def test_what_was_raised(error: errors.TollwayError, kind: FaultKind, status: int) -> None:
    fault = classify.of_error(error)
    assert (fault.kind, fault.status) == (kind, status)


def test_everything_that_the_transport_raises_counts_against_the_target() -> None:
    for error in (ConnectionResetError(), TimeoutError(), ValueError()):
        assert classify.of_error(foreign.of_request(error, "p")).action.counts
    assert classify.of_error(foreign.of_body(OSError(), "p")).kind == "cut"


def test_a_translated_answer_is_the_same_fault_as_the_raw_one() -> None:
    for status, body, kind in ANSWERS:
        data = raw(body)
        if isinstance(body, dict) and "__type" in body:
            translated = bedrock_error(status, (), data)
        elif isinstance(body, dict) and "status" in str(body.get("error")):
            translated = gemini_error(status, (), data)
        elif isinstance(body, dict) and set(body) <= {"message", "id"}:
            translated = cohere_error(status, (), data)
        else:
            continue
        found = classify.of_error(translated)
        assert ACTIONS[found.kind].elsewhere == ACTIONS[kind].elsewhere, (status, body, found)
        assert ACTIONS[found.kind].cools == ACTIONS[kind].cools, (status, body, found)


def test_a_translated_answer_keeps_its_wait() -> None:
    error = REJECTED("x", status=429, type="rate_limit_error", headers=errors.retry_after(2.5))
    assert classify.of_error(error).wait == 2.5


# ---- errors inside what claims success ------------------------------------------------------------------------------

GOOD = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}

INSIDE: list[tuple[bytes, FaultKind]] = [
    (raw(openai("Boom")), "error_event"),
    (b'  \n{ "error" : {"message": "Boom"}}', "error_event"),
    (raw({"error": "Boom"}), "error_event"),
    (raw(openai(code=429)), "rate_limited"),
    (raw(openai(code=400)), "client"),
    (raw(openai(code=401)), "credentials"),
    (raw(openai(code=502)), "error_event"),
    (raw(openai(code="context_length_exceeded")), "context_length"),
    (raw(openai(type="invalid_request_error", message="This model's maximum context length is 8 tokens")), "context_length"),
    (raw({"id": "x", "error": {"message": "No", "code": "insufficient_quota"}}), "quota"),
    (raw({"object": "response", "status": "failed", "error": {"code": "server_error", "message": "x"}}), "error_event"),
    (raw({"id": "1", "choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), "rate_limited"),
    (raw({"id": "1", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "balance"}}), "quota"),
    (raw({"id": "1", "choices": [{"index": 0, "error": {"code": 503, "message": "x"}}]}), "overloaded"),
    (raw(claude("overloaded_error")), "overloaded"),
    (b"null", "invalid"),
    (b" null\n", "invalid"),
    (b"", "invalid"),
    (b" \n", "invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), INSIDE, ids=[f"{kind}-{at}" for at, (_, kind) in enumerate(INSIDE)])
def test_an_error_inside_success(body: bytes, kind: FaultKind) -> None:
    fault = classify.of_success(body)
    assert fault is not None
    assert (fault.kind, fault.status) == (kind, 200)


@pytest.mark.parametrize(
    "body",
    [
        raw(GOOD),
        orjson.dumps(GOOD, option=orjson.OPT_INDENT_2),
        raw({**GOOD, "error": None}),
        raw({**GOOD, "base_resp": {"status_code": 0, "status_msg": ""}}),
        raw({**GOOD, "id": "the word error"}),
        raw({"id": "x", "choices": [{"message": {"content": '{"error": {"message": "I am a model"}}'}}]}),
        raw({"id": "x", "choices": [{"message": {"content": None, "refusal": "I can't."}, "finish_reason": "content_filter"}]}),
        raw({"type": "message", "content": [{"type": "text", "text": "error"}], "stop_reason": "refusal"}),
        raw({"promptFeedback": {"blockReason": "SAFETY"}}),
        raw({"object": "response", "status": "completed", "error": None, "output": [{"type": "mcp_call", "error": "tool"}]}),
        raw({"object": "list", "data": []}),
        b"[]",
        b'"text"',
        b"no json at all",
    ],
)  # fmt: skip
def test_what_is_no_error_inside_success(body: bytes) -> None:
    assert classify.of_success(body) is None


EVENTS: list[tuple[Dialect, bytes, FaultKind | None]] = [
    ("chat", b'{"error":{"message":"Boom","type":"server_error","code":null}}', "error_event"),
    ("chat", b'{"error":{"message":"x","code":429},"choices":[{"delta":{},"finish_reason":"error"}]}', "rate_limited"),
    ("chat", b'{"error":{"message":"x","code":"invalid_api_key"}}', "credentials"),
    ("chat", b'{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}', "overloaded"),
    ("chat", b'{"choices":[{"delta":{},"finish_reason":"network_error"}]}', "error_event"),
    ("chat", b'{"choices":[{"delta":{"content":"an error"},"finish_reason":null}]}', None),
    ("chat", b'{"choices":[{"delta":{"content":"\\"error\\": {}"}}],"error":null}', None),
    ("chat", b'{"choices":[{"delta":{},"finish_reason":"content_filter"}]}', None),
    ("chat", b'{"choices":[{"delta":{"refusal":"error"},"finish_reason":null}]}', None),
    ("chat", b"[DONE]", None),
    ("chat", b'{"error":', None),
    ("completions", b'{"error":{"message":"Boom"}}', "error_event"),
    ("responses", b'{"type":"error","code":"rate_limit_exceeded","message":"x","param":null}', "rate_limited"),
    ("responses", b'{"type":"error","error":{"type":"server_error","message":"x"}}', "error_event"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"server_error","message":"x"}}}', "error_event"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}', "rate_limited"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"invalid_image_url","message":"x"}}}', "client"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"image_too_large","message":"x"}}}', "client"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"failed_to_download_image"}}}', "client"),
    ("responses", b'{"type":"response.failed","response":{"error":{"code":"invalid_prompt","message":"x"}}}', "content_policy"),
    ("responses", b'{"type":"response.created","response":{"error":null,"status":"in_progress"}}', None),
    ("responses", b'{"type":"response.output_item.done","item":{"type":"mcp_call","error":"tool failed"}}', None),
    ("responses", b'{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"},"error":null}}', None),
    ("messages", b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded"),
    ("messages", b'{"type":"error","error":{"type":"api_error","message":"x"}}', "error_event"),
    ("messages", b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', "rate_limited"),
    ("messages", b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"error"}}', None),
    ("messages", b'{"type":"message_delta","delta":{"stop_reason":"refusal"},"error":null}', None),
    ("messages", b'{"type":"content_block_start","content_block":{},"error":"of a tool"}', None),
    ("opaque", b'{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}', "overloaded"),
    ("opaque", b'{"type":"message-end","delta":{"error":"timed out","finish_reason":"ERROR"}}', "error_event"),
    ("events", b'{"type":"error","error":{"code":"moderation_blocked","message":"x"}}', "content_policy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "payload", "kind"),
    EVENTS,
    ids=[f"{dialect}-{kind}-{at}" for at, (dialect, _, kind) in enumerate(EVENTS)],
)
def test_events_of_a_stream(dialect: Dialect, payload: bytes, kind: FaultKind | None) -> None:
    fault = classify.of_event(payload, dialect)
    assert (fault.kind if fault is not None else None) == kind


# ---- whatever comes -------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "errors", "code", "type", "message", "details", "status", "base_resp", "choices", "delta"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "whole", "lists", "detail"),
    [
        (b"{}", True, False, ""),
        (b' \r\n{"a":[1]}\n\n', True, False, ""),
        (b'\xef\xbb\xbf{"a":1}', True, False, ""),
        (b'{"a":', False, False, ""),
        (b"", False, False, ""),
        (b" \n", False, False, ""),
        (b"[1]", True, True, ""),
        (b"[1", False, True, ""),
        (b'{"a":', True, False, "cut"),
        (b'{"a":[1]', True, True, "cut"),
        (b"[1", True, True, "cut"),
        (b"[1}", True, True, "cut"),
        (b"[1]", True, False, "not_json"),
        (b"[1", False, False, "not_json"),
        (b"<html>}", True, False, "not_json"),
        (b"<html>", False, False, "not_json"),
        (b'"text"', True, True, "not_json"),
        (b"}", True, False, "not_json"),
        (b" ", True, False, "not_json"),
    ],
)
def test_what_is_no_json_by_its_first_and_last_bytes(body: bytes, whole: bool, lists: bool, detail: str) -> None:
    fault = classify.of_shape(body, whole=whole, lists=lists)
    assert fault == (Fault(kind="invalid", status=200, detail=detail) if detail else None)


@given(st.integers(-5, 700), JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
def test_no_body_raises(status: int, body: bytes) -> None:
    found = [classify.of_answer(status, (), body), classify.of_success(body)]
    found += [classify.of_event(body, dialect) for dialect in ("chat", "responses", "messages", "opaque")]
    for fault in found:
        assert fault is None or (fault.kind in ACTIONS and len(fault.detail) <= 64)
    assert (found[0] is None) == (100 <= status < 400)


TELLING = st.sampled_from(
    [
        b"{",
        b"}",
        b" ",
        b"[]",
        b'"error"',
        b'"errors":',
        b":1",
        b":null",
        b'"base_resp":{"status_code":1}',
        b'"a"',
        b"x" * 500,
    ]
)


@given(st.lists(TELLING, max_size=6).map(b"".join))
def test_what_is_taken_for_sound_has_no_fault(body: bytes) -> None:
    if classify.sound(body):
        assert classify.of_success(body) is None
        assert classify.of_shape(body, whole=True) is None


def test_an_ordinary_answer_is_taken_for_sound() -> None:
    answer = b'{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"A mile."}}]}'
    assert classify.sound(answer)
    for other in (b"", b"[]", answer[:-1], answer + b"\n", b'{"error":1}', b'{"base_resp":{"status_code":0}}'):
        assert not classify.sound(other)
