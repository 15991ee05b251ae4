"""Under which key an answer is kept: an HMAC of whose it is and of everything that shapes it.

The secret keeps keys from being guessed and entries from being placed; what stays the same from request to request (whose, which
route, which targets) is hashed once.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter

from msgspec import Struct

from ..context import Principal, RequestContext
from ..policy.caching import Cache, ExactCache
from ..policy.targets import Candidate
from ..protocols import CACHE_VERSION, Question
from ..wire.mac import Mac, framed
from ..wire.values import JsonObject
from .asking import Wanted
from .barred import barred, looks_at_the_world
from .canonical import canonical, spelt, without
from .turns import last_turn

_KEYING = b"tollway cache 1"
"""Changes with what goes into a key."""

_SHAPING = frozenset(
    (b"anthropic-version", b"anthropic-beta", b"openai-beta", b"openai-organization", b"openai-project", b"x-tollway-strict")
)  # fmt: skip
"""Request headers that shape the answer, besides those that the configuration names."""

_NOT_SHAPING = frozenset(("stream", "stream_options"))
"""Members about an answer's form: one entry serves both."""

_ORIGINS = 4096

_KEY, _PARTITION, _INPUT = b"key", b"partition", b"input"

_name = itemgetter(0)


class Keyed(Struct):
    """``key``: 32 bytes, b"" where ``reason`` says why the request is not to be cached: ``temperature``, ``stateful``, ``live_tools``,
    ``oversize``, or ``unreadable`` (two parsers could read it differently). ``document``: the body without what does not shape the answer."""

    key: bytes
    document: JsonObject | None
    reason: str = ""


class _Origin(Struct, frozen=True):
    """What a key begins with, the objects by whose places in memory it was found, and: do its targets search the web unasked?

    ``alone``: by label, where nothing is said beside the body.
    """

    mac: Mac
    alone: dict[bytes, Mac]
    principal: Principal | None
    candidates: tuple[Candidate, ...]
    live: bool


_Named = tuple[int | str, int | tuple[int, ...], str, str]
"""Whose, which targets, the route's label, the endpoint's name."""

_OVERSIZE = Keyed(b"", None, "oversize")
_UNREADABLE = Keyed(b"", None, "unreadable")


RESPONSES = "responses"

_REPEATED = frozenset(
    ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user", "service_tier")
)
"""Fields that an answer of the Responses API repeats: there they are never ignored. Source: its response object."""


class Keys:
    """``secret``: for HMACs; it may change, with which every key does."""

    def __init__(self, *, settings: Cache, secret: Callable[[], bytes]) -> None:
        exact = settings.exact or ExactCache()
        self._semantic = settings.semantic
        self._share = settings.share
        self._groups = {account: name for name, accounts in settings.groups.items() for account in accounts}
        self._max_prompt = exact.max_prompt
        self._ignore = _NOT_SHAPING | frozenset(exact.ignore)
        self._ignored_of = {RESPONSES: self._ignore - _REPEATED}
        self._headers = _SHAPING | {name.lower().encode() for name in exact.headers}
        self._secret = secret
        self._known = b""
        self._mac = Mac.of(b"")
        self._origins: dict[_Named, _Origin] = {}

    def keyed(self, ctx: RequestContext, wanted: Wanted) -> Keyed:
        """The key of a request that has its plan, or why it has none."""
        body = ctx.uncapped or ctx.body
        if len(body) > self._max_prompt:
            return _OVERSIZE
        ignored, decoded = self._ignored_of.get(ctx.endpoint.name, self._ignore), ctx.decoded
        document: JsonObject | None
        if decoded is not None and decoded.body is body:
            # Nobody else is to see it without what is left out here.
            document, ctx.decoded = decoded.document, None
            material = without(document, ignored)
        else:
            material, document = canonical(body, ignored)
            if document is None:
                return _UNREADABLE
        origin = self._origin(ctx)
        reason: str = barred(ctx.endpoint.name, document, max_temperature=wanted.max_temperature)
        if not reason and (ctx.bound or origin.live):
            reason = _elsewhere(ctx)
        if reason:
            return Keyed(b"", document, reason)
        return Keyed(self._mac_of(_KEY, origin, ctx, wanted).digest(material), document)

    def question(self, ctx: RequestContext, wanted: Wanted, keyed: Keyed) -> Question | str:
        """What may be like another; or why nothing can: ``no_user_turn``, ``not_text``, ``turns``, ``prompt_too_long``, ``unreadable``."""
        if keyed.document is None:
            return "unreadable"
        turn = last_turn(ctx.endpoint.name, keyed.document)
        if isinstance(turn, str):
            return turn
        if turn.count > self._semantic.max_turns:
            return "turns"
        if len(turn.text) > self._semantic.max_prompt:
            return "prompt_too_long"
        try:
            rest = spelt(turn.rest)
        except TypeError:
            return "unreadable"
        return Question(
            partition=self._mac_of(_PARTITION, self._origin(ctx), ctx, wanted).digest(rest),
            text=turn.text,
            route=ctx.route,
            threshold=wanted.threshold,
            tenant=ctx.principal.account or ctx.principal.tenant,
        )

    def inputs(self, ctx: RequestContext, wanted: Wanted, keyed: Keyed) -> list[bytes]:
        """A key for each input of an embeddings request, whatever the others are; ``"x"`` has the one of ``["x"]``. Empty: not readable."""
        if keyed.document is None:
            return []
        given = keyed.document.get("input")
        if isinstance(given, str) or (isinstance(given, list) and given and all(type(item) is int for item in given)):
            # A string, or the tokens of one.
            given = [given]
        if not isinstance(given, list) or not given:
            return []
        try:
            rest = framed(spelt({**keyed.document, "input": None}))
            materials = [_input(item) for item in given]
        except TypeError:
            return []
        begun = self._mac_of(_INPUT, self._origin(ctx), ctx, wanted).begun(rest)
        return [begun.digest(material) for material in materials]

    def _mac_of(self, label: bytes, origin: _Origin, ctx: RequestContext, wanted: Wanted) -> Mac:
        """Begun with what is said beside the body, too: the client's namespace, headers that shape the answer, the query."""
        if not wanted.namespace and not ctx.query and ctx.headers.keys().isdisjoint(self._headers):
            return origin.alone[label]
        # Lines of one name keep their order.
        lines = sorted((pair for pair in ctx.raw_headers if pair[0] in self._headers), key=_name)
        return _said(origin.mac, label, wanted.namespace.encode(), ctx.query, lines)

    def _origin(self, ctx: RequestContext) -> _Origin:
        principal, plan, secret = ctx.principal, ctx.plan, self._secret()
        assert plan is not None
        if secret != self._known:
            self._known, self._mac = secret, Mac.of(secret)
            self._origins.clear()
        candidates = plan.candidates
        # Filters make new tuples of the same candidates.
        targets = id(candidates[0]) if len(candidates) == 1 else tuple(map(id, candidates))
        # A forwarded key makes a new principal each time, and is not to be held.
        whose = id(principal) if principal.forwarded is None else principal.tenant
        named = (whose, targets, ctx.route, ctx.endpoint.name)
        found = self._origins.get(named)
        if found is None:
            if len(self._origins) >= _ORIGINS:
                self._origins.clear()
            found = self._origins[named] = self._begun(ctx, principal, candidates)
        return found

    def _begun(self, ctx: RequestContext, principal: Principal, candidates: tuple[Candidate, ...]) -> _Origin:
        targets = sorted({(each.target.provider, each.target.model) for each in candidates})
        begun = framed(
            _KEYING,
            b"%d" % CACHE_VERSION,
            self._scope(principal),
            ctx.endpoint.name.encode(),
            ctx.route.encode(),
            framed(*[name.encode() for target in targets for name in target]),
        )
        mac = self._mac.begun(begun)
        return _Origin(
            mac=mac,
            alone={label: _said(mac, label, b"", b"", ()) for label in (_KEY, _PARTITION, _INPUT)},
            principal=principal if principal.forwarded is None else None,
            candidates=candidates,
            live=any(looks_at_the_world(model) for _, model in targets),
        )

    def _scope(self, principal: Principal) -> bytes:
        """Whose answers these are: one key's, an account's, or a group's; and what its keys may have of an answer."""
        mode = b"forward" if principal.forwarded is not None else b"keys" if principal.account else b"open"
        owner = principal.account or principal.tenant
        group = self._groups.get(owner) if mode == b"keys" else None
        if group is not None:
            whose = framed(b"group", group.encode())
        elif self._share == "account":
            whose = framed(b"account", owner.encode())
        else:
            whose = framed(b"key", owner.encode(), principal.key.encode(), principal.name.encode())
        return framed(mode, whose, str(principal.output_cap).encode())


def _said(mac: Mac, label: bytes, namespace: bytes, query: bytes, lines: Iterable[tuple[bytes, bytes]]) -> Mac:
    """``label`` keeps keys, partitions and inputs apart."""
    return mac.begun(framed(label, namespace, query, framed(*[part for line in lines for part in line])))


def _elsewhere(ctx: RequestContext) -> str:
    """Why a request is not to be cached that goes by what a provider keeps, or to a model that searches the web by its name.

    The latter is a guess: an operator who turned the cache on for this very model knows better.
    """
    if ctx.bound:
        return "stateful"
    assert ctx.plan is not None
    return "" if ctx.plan.route.cache.exact else "live_tools"


def _input(item: object) -> bytes:
    """One input of embeddings. Raises ``TypeError`` where it is none."""
    if isinstance(item, str):
        return b"text:" + item.encode()
    if isinstance(item, list) and item and all(type(each) is int for each in item):
        return b"tokens:" + spelt({"": item})
    raise TypeError(item)
