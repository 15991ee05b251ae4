"""Where a request may go: targets, what is known of them, the routes that name them, and the plan of one request."""

from typing import Literal

from msgspec import Struct

from .caching import AS_THE_OTHERS, ModelCache
from .routes import Hedge, PolicyName, Retry, Shadow, Slo, SlowStream

Tier = Literal["preview", "stable", "deprecated", "retired"]

VISION = 1
TOOLS = 2
JSON_SCHEMA = 4
AUDIO = 8
REASONING = 16
PDF = 32
VIDEO = 64

NEEDS: dict[int, str] = {
    VISION: "vision",
    TOOLS: "tools",
    JSON_SCHEMA: "json_schema",
    AUDIO: "audio",
    REASONING: "reasoning",
    PDF: "pdf",
    VIDEO: "video",
}
"""Bit to the name of what a request may need of a model."""


class Limits(Struct, frozen=True, kw_only=True):
    """Upstream time limits in seconds."""

    connect: float
    first_byte: float | None
    idle: float
    total: float


class Target(Struct, frozen=True, kw_only=True):
    """A provider instance and the model name there; ``model`` is what travels upstream."""

    provider: str
    model: str
    limits: Limits


class Facts(Struct, frozen=True, kw_only=True):
    """What the catalogue and the configuration know of a target's model. What is not known excludes nothing.

    ``lacks``: bits of ``NEEDS`` that it is known not to have; ``context`` and ``max_output`` in tokens, 0: unknown; prices in
    micro-dollars per million tokens to the operator, -1: unknown (``cached_price`` -1: as ``input_price``).
    """

    lacks: int = 0
    context: int = 0
    max_output: int = 0
    region: str = ""
    tier: Tier = "stable"
    input_price: int = -1
    output_price: int = -1
    cached_price: int = -1


NO_FACTS = Facts()


class Candidate(Struct, frozen=True, kw_only=True):
    """A target as one route names it. ``model`` is the public name that it answers for (a fallback's own, not the one asked for).

    ``capacity``: requests at once in this process, 0: any number; ``queue``: seconds that one may wait for a place, and
    ``queue_size`` how many; ``continues``: can it go on from a half-written answer?
    """

    target: Target
    model: str
    weight: int = 1
    capacity: int = 0
    queue: float = 0.0
    queue_size: int = 100
    continues: bool = False
    facts: Facts = NO_FACTS

    @property
    def place(self) -> str:
        """``provider/model``, as logs, headers and explanations name it."""
        return f"{self.target.provider}/{self.target.model}"


class Route(Struct, frozen=True, kw_only=True):
    """What a public model name leads to. ``label`` is the metric label: a configured name, so labels stay few.

    ``fallbacks``, and those for one class of fault, are public model names, tried in order when the route's own targets are used up.
    """

    label: str
    candidates: tuple[Candidate, ...]
    policy: PolicyName = "priority"
    sticky_by: str = "user"
    retry: Retry = Retry()
    hedge: Hedge | None = None
    slow_stream: SlowStream | None = None
    slo: Slo | None = None
    shadow: Shadow | None = None
    continues: bool = False
    """Is an answer that breaks off continued on another target?"""
    fallbacks: tuple[str, ...] = ()
    on_context_length: tuple[str, ...] = ()
    on_content_policy: tuple[str, ...] = ()
    cache: ModelCache = AS_THE_OTHERS


class Asking(Struct, frozen=True, kw_only=True):
    """What a choice depends on besides the targets: ``needs`` are bits, ``prompt`` and ``output`` likely tokens."""

    needs: int = 0
    prompt: int = 0
    output: int = 0
    cached: int = 0
    """Tokens of the prompt that a provider who saw it lately has cached."""
    sticky: str = ""
    """What requests that belong together share."""
    kind: str = "general"
    """The prompt's class, for quality scores: ``general``, ``code``, ``math`` …"""
    slo: Slo | None = None


class Figures(Struct, frozen=True, gc=False):
    """Live figures of one target when a choice was made. ``ttft``: seconds (peak EWMA), 0: unknown; ``state``: see ``Board``."""

    place: str
    state: str
    ttft: float
    inflight: int


class Rejection(Struct, frozen=True, gc=False):
    """Why a candidate was left out: ``filter`` names the rule, ``reason`` says it in words."""

    candidate: Candidate
    filter: str
    reason: str


class Plan(Struct, kw_only=True):
    """One request's way: what it may use, what was chosen and why. Made once, before admission."""

    route: Route
    candidates: tuple[Candidate, ...]
    """The route's own that passed the filters, in its order."""
    chosen: Candidate
    asking: Asking = Asking()
    policy: str = "priority"
    rejected: tuple[Rejection, ...] = ()
    figures: tuple[Figures, ...] = ()
    """Of the candidates when the choice was made; empty where there was none."""
    attempts: int = 3
    """Tries in all."""
    bound: str = ""
    """Why only one place can serve it ("": it is free to go anywhere)."""
    key: int = -1
    """The provider's key that it is bound to, -1: any."""
