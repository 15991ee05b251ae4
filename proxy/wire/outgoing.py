"""Request headers of one account: those of the client that travel, then its own. Most clients send the same ones again and again.

What came of a set of headers is kept beside it, so that it is worked out once. Only sets without a secret are kept, and only as long
as they come again; any other request's headers are worked out by themselves.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from .headers import UPSTREAM_ALWAYS_DROPPED, upstream_headers

Raw = Sequence[tuple[bytes, bytes]]
Pairs = list[tuple[str, str]]

_STEADY = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"anthropic-beta",
        b"anthropic-version",
        b"cache-control",
        b"connection",
        b"content-type",
        b"http-referer",
        b"openai-beta",
        b"openai-organization",
        b"openai-project",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"user-agent",
        b"x-title",
    )
)
_STEADY_FAMILY = b"x-stainless-"

_AGENTS = 64
_SETS = 4
_LONGEST = 4096
"""Bytes of the headers that are kept, at most."""

_CHANGING = 64
"""Requests in a row whose set had not come before, after which those of the same client are not kept any more."""


class SharedHeaders(Pairs):
    """Headers that many requests are sent with, so that nobody changes them. ``lines``: as a transport has written them, once it has."""

    __slots__ = ("lines",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.lines = ""


class _Repeated:
    """One set. ``pick`` takes the pairs that matter, which were ``picked``; at ``places`` are ``names`` that do not travel."""

    __slots__ = ("made", "names", "pick", "picked", "places", "size")

    def __init__(self, raw: Raw, made: Pairs) -> None:
        kept = [at for at, (name, _) in enumerate(raw) if not _dropped(name)]
        self.size = len(raw)
        self.pick: Callable[[Raw], object] = itemgetter(*kept)
        self.picked = self.pick(raw)
        self.places = [at for at, (name, _) in enumerate(raw) if _dropped(name)]
        self.names = [raw[at][0] for at in self.places]
        self.made = SharedHeaders(made)

    def holds(self, raw: Raw) -> bool:
        """Is it the same again?"""
        return (
            len(raw) == self.size and self.pick(raw) == self.picked and [raw[at][0] for at in self.places] == self.names
        )


class _Client:
    """What sends itself under one name."""

    __slots__ = ("sets", "unknown")

    def __init__(self) -> None:
        self.sets: list[_Repeated] = []
        self.unknown = 0


class Outgoing:
    """``forwards``: do the client's own credentials travel? ``added`` pairs take the place of the client's where ``replaced`` names them."""

    def __init__(self, *, forwards: bool, added: Sequence[tuple[str, str]], replaced: frozenset[str]) -> None:
        self._forwards = forwards
        self._added = added
        self._replaced = replaced
        self._clients: dict[bytes | None, _Client] = {}

    def headers(self, raw: Raw, agent: bytes | None) -> Pairs:
        """As they travel: shared with other requests, so not to be changed. ``agent``: who sends them. Raises ``InvalidRequest``."""
        client = self._clients.get(agent)
        if client is not None:
            for known in client.sets:
                if known.holds(raw):
                    client.unknown = 0
                    return known.made
        made = self._made(raw)
        if agent is None or (client is not None and client.unknown > _CHANGING):
            return made
        return self._kept(agent, raw, made)

    def _kept(self, agent: bytes, raw: Raw, made: Pairs) -> Pairs:
        """``made``, for the next request, too, where that may be."""
        if len(made) == len(self._added) or not _steady(raw):
            return made
        if sum([len(name) + len(value) for name, value in raw]) > _LONGEST:
            return made
        client = self._clients.get(agent)
        if client is None:
            if len(self._clients) >= _AGENTS:
                self._clients.clear()
            client = self._clients[agent] = _Client()
        client.unknown += 1
        kept = _Repeated(raw, made)
        client.sets.insert(0, kept)
        del client.sets[0 if client.unknown > _CHANGING else _SETS :]
        return kept.made

    def _made(self, raw: Raw) -> Pairs:
        theirs = upstream_headers(raw, forwards=self._forwards)
        if self._replaced:
            theirs = [pair for pair in theirs if pair[0] not in self._replaced]
        return [*theirs, *self._added]


def _dropped(name: bytes) -> bool:
    """Does the value make no difference to what travels?"""
    return name in UPSTREAM_ALWAYS_DROPPED and name != b"connection"


def _steady(raw: Raw) -> bool:
    """Are all of those that travel of a kind that holds no secret, and that a client does not change from request to request?"""
    return all(_dropped(name) or name in _STEADY or name.startswith(_STEADY_FAMILY) for name, _ in raw)
