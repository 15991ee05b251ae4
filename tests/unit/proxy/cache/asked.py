"""Requests as the cache link meets them: authenticated, parsed and planned."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from proxy.context import Principal, RequestContext
from proxy.policy.caching import Cache, ExactCache, ModelCache
from proxy.policy.targets import Candidate, Plan, Route, Target
from proxy.wire.endpoints import CHAT, Endpoint
from tests.support.fakes import LIMITS

APP = Principal(name="app", tenant="acme", account="acme", key="k1")
ON = Cache(exact=ExactCache())
CHAT_BODY: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "How long is the road?"}]}
SDK = [
    (b"host", b"gateway.example"), (b"user-agent", b"OpenAI/Python 2.8.0"), (b"accept", b"application/json"),
    (b"content-type", b"application/json"), (b"authorization", b"Bearer sk-tw-app"), (b"accept-encoding", b"gzip"),
    (b"x-stainless-lang", b"python"), (b"x-stainless-os", b"Linux"), (b"x-stainless-runtime", b"CPython"),
]  # fmt: skip


def candidates(*places: str) -> tuple[Candidate, ...]:
    """Of ``provider/model`` each."""
    pairs = [place.partition("/") for place in places]
    return tuple(
        Candidate(target=Target(provider=name, model=model, limits=LIMITS), model="fast") for name, _, model in pairs
    )


def planned(*places: str, label: str = "fast", cache: ModelCache | None = None) -> Plan:
    """A plan whose targets are ``places``."""
    found = candidates(*(places or ("own/small",)))
    route = Route(label=label, candidates=found, cache=cache if cache is not None else ModelCache())
    return Plan(route=route, candidates=found, chosen=found[0])


def asked(
    body: Mapping[str, Any] | bytes = CHAT_BODY,
    *,
    endpoint: Endpoint = CHAT,
    plan: Plan | None = None,
    principal: Principal = APP,
    headers: Sequence[tuple[bytes, bytes]] = (),
    **fields: Any,
) -> RequestContext:
    """A request for ``fast`` with an SDK's headers and ``headers``."""
    plan = plan if plan is not None else planned()
    raw = [*SDK, *headers]
    return RequestContext(
        request_id="r",
        endpoint=endpoint,
        raw_headers=raw,
        headers=dict(raw),
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        plan=plan,
        route=plan.route.label,
        principal=principal,
        **fields,
    )
