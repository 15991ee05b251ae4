"""Error codes, types and statuses of many providers, and which fault each one names. Written as the providers write them.

Sources: the error references of OpenAI, Azure, Anthropic, Google, AWS and Cohere, November 2026; for the rest, their answers.
"""

import re
from collections.abc import Iterator, Mapping

from ..policy.faults import FaultKind

_WRITTEN: Mapping[FaultKind, str] = {
    "context_length": """context_length_exceeded context_window_exceeded exceed_context_size_error
        model_context_window_exceeded""",
    "content_policy": """content_policy_violation content_filter moderation_blocked ResponsibleAIPolicyViolation
        data_inspection_failed sensitive_words_detected image_content_policy_violation invalid_prompt""",
    "quota": """insufficient_quota billing_hard_limit_reached billing_hard_limit billing_not_active billing_error
        credit_balance_exhausted exceeded_current_quota_error insufficient_balance payment_required Arrearage""",
    "rate_limited": """rate_limit_exceeded rate_limit_error rate_limited rate_limit_reached_error too_many_requests
        ThrottlingException Throttling ServiceQuotaExceededException RESOURCE_EXHAUSTED REQUEST_LIMIT_EXCEEDED""",
    "overloaded": """overloaded_error overloaded server_is_overloaded engine_overloaded_error UNAVAILABLE
        ServiceUnavailableException service_unavailable_error service_unavailable ServiceUnavailable
        ModelNotReadyException model_not_ready NoCapacity queue_exceeded capacity_exceeded service_tier_capacity_exceeded
        insufficient_system_resource""",
    "credentials": """invalid_api_key authentication_error account_deactivated invalid_organization UNAUTHENTICATED
        API_KEY_INVALID API_KEY_EXPIRED API_KEY_SERVICE_BLOCKED ACCESS_TOKEN_EXPIRED UnrecognizedClientException
        InvalidSignatureException ExpiredTokenException ExpiredToken InvalidClientTokenId
        MissingAuthenticationTokenException MissingAuthenticationToken IncompleteSignatureException
        IncompleteSignature""",
    "model_missing": """model_not_found not_found_error NotFoundError NOT_FOUND DeploymentNotFound
        ResourceNotFoundException RESOURCE_DOES_NOT_EXIST invalid_model unsupported_country_region_territory
        AccessDeniedException AccessDenied""",
    "server_error": """server_error api_error internal_error InternalServerException InternalServerError INTERNAL
        ModelErrorException ModelStreamErrorException timeout_error""",
    "client": "invalid_request_error INVALID_ARGUMENT BadRequestError ValidationException permission_error",
}


def folded(word: str) -> str:
    """``NotFoundError`` and ``not_found_error`` are one word."""
    return re.sub(r"[^a-z0-9:]", "", word.lower())


def _pairs() -> Iterator[tuple[str, FaultKind]]:
    for kind, words in _WRITTEN.items():
        yield from ((folded(word), kind) for word in words.split())


WORDS: Mapping[str, FaultKind] = {
    **dict(_pairs()),
    # Z.ai's numbers, as ``error.code``.
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), "credentials"),
    "1113": "quota",
    "1301": "content_policy",
    **dict.fromkeys(("1302", "1303", "1305"), "rate_limited"),
    # MiniMax's, as ``base_resp.status_code`` beside status 200.
    "base:1001": "server_error",
    "base:1002": "rate_limited",
    "base:1004": "credentials",
    "base:1008": "quota",
    "base:1024": "server_error",
    **dict.fromkeys(("base:1026", "base:1027"), "content_policy"),
    "base:1033": "overloaded",
    "base:1039": "rate_limited",
    "base:2013": "client",
    "base:2049": "credentials",
}
"""A folded word to the fault it names."""

SPECIFIC: Mapping[str, FaultKind] = {
    word: kind for word, kind in WORDS.items() if kind not in ("server_error", "client")
}
"""Those that say more than the status they come with."""

CONTEXT_LENGTH = re.compile(
    r"maximum (?:context|prompt) length is \d|prompt is too long|input is too long for requested model"
    r"|exceeds? the maximum number of (?:input )?tokens|(?:exceeds? (?:the )?|exceed )context limit"
    r"|too many input tokens|too many tokens: total number of tokens in the prompt|maximum context length"
    r"|exceeds the available context size|range of input length should be|please reduce the length of the messages",
    re.IGNORECASE,
)
"""A prompt that does not fit, in the words of providers that give no code for it."""

CONTENT_POLICY = re.compile(
    r"blocked by (?:our )?content filter|content management policy|violates? (?:our |the )?(?:usage|content) (?:guidelines|polic)"
    r"|flagged as potentially violating|SAFETY_CHECK_|rejected (?:as a result of|by) our safety system"
    r"|your input was flagged",
    re.IGNORECASE,
)
"""A prompt that is not answered, likewise."""

OTHER_PLACE = re.compile(r"location is not supported|not available in your (?:country|region)", re.IGNORECASE)
"""Google's words for a region where it serves nobody; its status says only ``FAILED_PRECONDITION``."""

EMPTY_PURSE = re.compile(r"credit balance is too low", re.IGNORECASE)
"""Anthropic's words for it: a 400 like any other."""

TOO_LARGE = re.compile(r"request too large|requires more credits, or fewer max_tokens", re.IGNORECASE)
"""One request that is more than the account may send in a minute (a 429 with the code of any other), or can still pay for (a 402):
a smaller one may."""

REFUSED_KEY = re.compile(
    r"\b(?:invalid|incorrect|expired|revoked|disabled|deactivated|suspended|blocked|unregistered|leaked|missing)\b[^.]{0,40}"
    r"\b(?:api[ _-]?keys?|tokens?|credentials?|accounts?|organi[sz]ation|callers|consumer|subscription|project)\b"
    r"|\b(?:api[ _-]?key|token|credentials?|account|organi[sz]ation|subscription|consumer|project)\b[^.]{0,40}"
    r"\b(?:invalid|incorrect|expired|revoked|disabled|deactivated|suspended|blocked|leaked|not (?:valid|active))\b"
    r"|authenticat|unauthori[sz]ed",
    re.IGNORECASE,
)
"""A 403 for the sake of our key or account. Any other one is for what was asked: a model, a path, an object, a prompt."""

NOT_PERMITTED = re.compile(r"missing scopes?\b|insufficient permissions?\b", re.IGNORECASE)
"""A key that is good for other paths: OpenAI says so with 401 or 403."""

THEIR_OBJECT = re.compile(r"not found \(or permission denied\)|or it may not exist", re.IGNORECASE)
"""A 403 for an object that the client named, in Google's words: there is none, or it is somebody else's."""

NOT_FOUND = frozenset(
    map(folded, ("not_found_error", "NOT_FOUND", "ResourceNotFoundException", "RESOURCE_DOES_NOT_EXIST"))
)
"""Folded words for anything that is not there: a model only if the sentence speaks of one."""

A_MODEL = re.compile(r"\b(?:models?|endpoints?|deployments?)\b", re.IGNORECASE)

THEIRS = frozenset(map(folded, ("external_connector_error", "vector_store_timeout", "failed_to_download_image")))
"""Folded words for what failed outside of the provider, at a place that the client named: a tool server, a picture."""

THEIR_INPUT = re.compile(
    r"(?:invalid|unsupported|empty)_\w+|\w+_(?:too_large|too_small|not_found|parse_error)", re.ASCII
)
"""Codes, inside a stream, for input that no target can read."""
