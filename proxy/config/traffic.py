"""The half of the configuration that is applied live: auth, keys, providers, models, catalogue, timeouts, streaming."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from .secrets import Secret

Seconds = Annotated[float, Meta(gt=0, le=86_400, extra={"unit": "seconds"})]
Name = Annotated[str, Meta(min_length=1, max_length=200)]

if TYPE_CHECKING:
    Free: TypeAlias = bool | int | float | str | "list[Free]" | "dict[str, Free]" | None
    Options: TypeAlias = dict[str, Free]
else:
    # The decoder reads ``object`` as JSON of any shape; msgspec describes no recursive alias.
    Options = dict[str, object]


class Auth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may call. ``failures_per_minute`` bounds wrong keys per client address, ``failures_total_per_minute`` over all."""

    mode: Literal["keys", "forward", "open"] = "keys"
    failures_per_minute: Annotated[int, Meta(ge=1)] = 60
    failures_total_per_minute: Annotated[int, Meta(ge=1)] = 6000


class Key(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file-owned key. ``models`` are globs over public model names; ``passthrough`` (paths without a model) follows from ``"*"``.

    ``stability``: ``stable`` keeps it from models that are in preview, deprecated or retired.
    """

    name: Name
    key: Secret
    models: tuple[str, ...] = ("*",)
    passthrough: bool | None = None
    stability: Literal["any", "stable"] = "any"


class Provider(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account at one upstream. ``headers`` are added to each of its requests; ``proxy`` is an HTTP proxy URL.

    ``options`` are the provider's own settings: JSON of any shape, references resolved, checked by the provider itself.
    """

    use: str
    base_url: str | None = None
    api_key: Secret | None = None
    headers: dict[str, Secret] = {}
    proxy: Secret | None = None
    ca_file: str | None = None
    options: Options = {}


class Timeouts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Upstream limits in seconds. ``first_byte`` unset: 60 for streams, 600 for plain answers."""

    connect: Seconds | None = None
    first_byte: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class Target(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider and the model name there; ``"*"`` sends the client's name on unchanged."""

    provider: str
    model: Name = "*"
    timeouts: Timeouts = Timeouts()


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A public model name and the one target that answers for it."""

    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=1)]


class Passthrough(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who gets paths that carry no model; ``admin`` opens ``/organization`` and ``/projects``."""

    provider: str | None = None
    admin: bool = False


class Streaming(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SSE behaviour. ``keepalive`` in seconds of silence, 0 turns comments (and the early start) off."""

    keepalive: Annotated[float, Meta(ge=0, le=86_400, extra={"unit": "seconds"})] = 15.0
    include_usage: Literal["auto", "always", "never"] = "auto"
