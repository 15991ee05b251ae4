"""Error bodies of the providers that speak OpenAI's dialect, each a function of the refusal."""

from collections.abc import Callable

from .reply import Object, Refused

Body = Callable[[Refused], object]
_MISTRAL = {400: "invalid_request_error", 401: "unauthorized", 404: "invalid_model", 429: "rate_limited"}
_MINIMAX = {
    "rate_limit_exceeded": 1002,
    "invalid_api_key": 1004,
    "insufficient_quota": 1008,
    "context_length_exceeded": 2013,
    "server_is_overloaded": 1000,
}
_ZAI = {
    "rate_limit_exceeded": "1302",
    "insufficient_quota": "1113",
    "invalid_api_key": "1000",
    "context_length_exceeded": "1261",
    "server_is_overloaded": "1305",
}


def standard(refused: Refused) -> object:
    return {"error": refused.error}


def with_status(refused: Refused) -> object:
    """Groq: OpenAI's, with the status inside."""
    return {"error": {**refused.error, "status_code": refused.status}}


def with_id(refused: Refused) -> object:
    """Together: an id beside the error."""
    return {"id": "oMock-1", "error": refused.error}


def mistral(refused: Refused) -> object:
    """Mistral: flat; a list of details for 422, a message and an id for 401."""
    if refused.status == 422:
        where = ["body", str(refused.error["param"])]
        return {"detail": [{"type": "extra_forbidden", "loc": where, "msg": refused.message, "input": None}]}
    if refused.status == 401:
        return {"message": "Unauthorized", "request_id": "mock"}
    kind = _MISTRAL.get(refused.status, "invalid_request_error" if refused.status < 500 else "internal_server_error")
    flat: Object = {"object": "error", "message": refused.message, "type": kind, "param": None}
    return {**flat, "code": "1300" if refused.status == 429 else "3000", "raw_status_code": refused.status}


def flat(refused: Refused) -> object:
    """Cerebras: what is inside OpenAI's error, without the wrapper."""
    return {"message": refused.message, "type": refused.error["type"], "param": None, "code": refused.code}


def text(refused: Refused) -> object:
    """xAI: the error is a text, the code stands beside it."""
    return {"code": refused.code or "invalid-argument", "error": refused.message}


def numbered(refused: Refused) -> object:
    """OpenRouter: the code is the status as a number."""
    raw = {"provider_name": "Mock", "raw": refused.message}
    return {"error": {"code": refused.status, "message": refused.message, "metadata": raw}, "user_id": "user_mock"}


def numbered_type(refused: Refused) -> object:
    """vLLM: a type named after the status, and the status as the code."""
    kind = {400: "BadRequestError", 401: "Unauthorized", 404: "NotFoundError"}.get(
        refused.status, "InternalServerError"
    )
    return {"error": {"message": refused.message, "type": kind, "param": None, "code": refused.status}}


def minimax(refused: Refused) -> object:
    """MiniMax: a status code of its own; the answer's status is 200."""
    code = _MINIMAX.get(refused.code or "", 2013 if refused.status < 500 else 1000)
    return {"base_resp": {"status_code": code, "status_msg": refused.message}}


def zai(refused: Refused) -> object:
    """Z.ai: codes that are numbers written as text."""
    code = _ZAI.get(refused.code or "", "1213" if refused.status < 500 else "500")
    return {"error": {"code": code, "message": refused.message}}


def cloudflare(refused: Refused) -> object:
    return {"result": None, "success": False, "errors": [{"code": 5006, "message": refused.message}], "messages": []}


def databricks(refused: Refused) -> object:
    code = "REQUEST_LIMIT_EXCEEDED" if refused.status == 429 else "BAD_REQUEST"
    return {"error_code": code, "message": refused.message}


def problem(refused: Refused) -> object:
    """NVIDIA: a problem document."""
    urn = f"urn:nvcf-worker-service:problem-details:{refused.status}"
    return {"type": urn, "title": "Problem", "status": refused.status, "detail": refused.message}


def siliconflow(refused: Refused) -> object:
    return {"code": 20012, "message": refused.message, "data": None}
