"""The configuration of a drill: each case has a copy of its route, and each target in it a provider of its own at our mock.

So no case sees what another did to health, keys or budgets. Kinds, options, policies, retries and fallbacks stay as they are.
No credential and no address of the user's is in it.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct, structs

from ..config import Config, Secret
from ..config.checks import is_loopback
from ..config.secrets import Hidden
from ..config.traffic import Model, Provider, Timeouts
from ..mock.controls import FLAVOURS
from ..wire.values import Json, JsonObject, obj
from .cases import Case
from .expect import Patience
from .faults import Door
from .shape import Place

DUMMY = "sk-drill"
"""In place of every credential."""

MARK = "x-drill"
"""The header by which the mock tells whose try a request is: ``case.place``."""

_PATHS = {
    "anthropic": "",
    "azure": "/openai/v1",
    "bedrock": "",
    "cohere": "",
    "gemini": "/v1beta",
    "vertex": "/v1",
}
"""Where the mock has each dialect; OpenAI's and its relatives are at ``/v1``."""

_CREDENTIALS = frozenset(
    (
        "access_key_id", "secret_access_key", "session_token", "profile", "endpoint", "credentials_file", "auth",
        "tenant_id", "client_id", "client_secret", "token_file", "authority", "scope",
    )
)  # fmt: skip
"""Options that say who calls, or where to ask for a token: in a drill the dummy key is enough."""

_NAME = re.compile(r"\.d(\d+)\.(\d+)$")
_MARKS = re.compile(r"\.d\d+\.\d+(?=[/#:;, ]|$)")


class Addresses(Struct, frozen=True, kw_only=True):
    """Origins on loopback: a mock that listens, a port that refuses, one that never answers."""

    mock: str
    shut: str
    stuck: str

    def of(self, door: Door) -> str:
        """Where a provider is put behind this door."""
        return {"": self.mock, "shut": self.shut, "stuck": self.stuck}[door]


class NotLoopback(Exception):
    """A drill's configuration that would leave this machine: our bug, found before anything is started."""


def patience_of(config: Config, seconds: float) -> Patience:
    """The configured limits, none longer than ``seconds`` (``total``: fifteen times that)."""
    found = _shortened(config.timeouts, seconds)
    return Patience(
        connect=found.connect or seconds, answer=max(found.first_byte or 0, found.idle or 0), total=found.total or 0
    )


def document(
    config: Config, cases: Iterable[Case], addresses: Addresses, *, key: str, port: int, seconds: float
) -> JsonObject:
    """The file's content. Raises ``NotLoopback`` before it would let a request leave this machine."""
    providers: JsonObject = {}
    models: JsonObject = {}
    for case in cases:
        for index, place in enumerate(case.shape.places):
            providers[provider_name(case, index)] = _provider(config, case, index, place, addresses)
        models |= _routes(case, seconds)
    found: JsonObject = {
        "server": {"host": "127.0.0.1", "port": port, "drain": 0.5},
        "keys": [{"name": "drill", "key": key}],
        "providers": providers,
        "models": models,
        "catalogue": _plain(structs.replace(config.catalogue, refresh=None)),
        "retry": _plain(config.retry),
        "health": _plain(config.health),
        "routing": _plain(config.routing),
        "timeouts": _plain(_shortened(config.timeouts, seconds)),
        "streaming": _plain(config.streaming),
        "telemetry": {"prometheus": False, "access_log": "off", "log_level": "error"},
    }
    check_loopback(found)
    return obj(_escaped(found))


def check_loopback(found: JsonObject) -> None:
    """Raises ``NotLoopback`` unless every provider is at a loopback address, behind no proxy, with dummy credentials."""
    for name, provider in obj(found.get("providers")).items():
        settings = obj(provider)
        host = re.match(r"http://(127\.0\.0\.1):\d+(?:/|$)", str(settings.get("base_url")))
        if host is None or not is_loopback(host[1]) or settings.get("proxy") is not None:
            raise NotLoopback(f"provider {name} of the drill would not stay on this machine")
        if settings.get("api_key", DUMMY) != DUMMY or set(map(str, settings.get("api_keys") or [])) - _dummies(100):  # type: ignore[arg-type]
            raise NotLoopback(f"provider {name} of the drill has a credential that is not the drill's")


def model_name(case: Case, node: int = 0) -> str:
    """What a client asks for to get the case's copy of its route."""
    return f"drill-{case.number}" if node == 0 else f"drill-{case.number}.{node}"


def provider_name(case: Case, place: int) -> str:
    """The provider of one place of one case."""
    return f"{case.shape.places[place].provider[:150]}.d{case.number}.{place}"


def without_marks(text: str) -> str:
    """``text`` with the providers' names as the user knows them."""
    return _MARKS.sub("", text)


def place_of(provider: str) -> int | None:
    """The place's index in a provider's name of ours; ``None`` for any other name."""
    found = _NAME.search(provider)
    return int(found[2]) if found is not None else None


def _provider(config: Config, case: Case, index: int, place: Place, addresses: Addresses) -> JsonObject:
    original = config.providers[place.provider]
    fault, struck = case.fault, index in case.where.faulty
    headers: JsonObject = {name: DUMMY for name in original.headers if not name.lower().startswith("x-mock-")}
    headers |= {MARK: f"{case.number}.{index}", "x-mock-seed": str(index + 1)}
    if place.use in FLAVOURS:
        headers["x-mock-flavour"] = place.use
    if struck and fault.told:
        headers["x-mock-fault"] = fault.told
        if case.where.once:
            headers |= {"x-mock-fault-times": "1", "x-mock-fault-id": str(case.number)}
        if fault.stream == "breaks" and case.stream:
            headers["x-mock-pace"] = "5"
    found: JsonObject = {
        "use": place.use,
        "base_url": addresses.of(fault.door if struck else "") + _path(original),
        "region": original.region,
        "headers": headers,
    }
    options = _options(original, place.use)
    if options:
        found["options"] = options
    if len(original.api_keys) > 1:
        found["api_keys"] = [f"{DUMMY}-{number}" for number in range(len(original.api_keys))]
    else:
        found["api_key"] = DUMMY
    return found


def _path(provider: Provider) -> str:
    dated = provider.use == "azure" and str(provider.options.get("api_version") or "preview") != "preview"
    return "" if dated else _PATHS.get(provider.use, "/v1")


def _options(provider: Provider, use: str) -> JsonObject:
    """The provider's own settings without those that name credentials or other hosts."""
    if use == "local":
        return {}
    options: Mapping[str, Json] = provider.options
    kept: JsonObject = {name: _unhidden(value) for name, value in options.items() if name not in _CREDENTIALS}
    if use == "vertex" and provider.api_key is None:
        kept.setdefault("project", "drill")
    return kept


def _unhidden(value: Json) -> Json:
    """What a reference brought in may be a secret: a dummy stands for it."""
    if isinstance(value, Hidden):
        return DUMMY
    if isinstance(value, dict):
        return {name: _unhidden(child) for name, child in value.items()}
    return [_unhidden(child) for child in value] if isinstance(value, list) else value


def _routes(case: Case, seconds: float) -> JsonObject:
    """The case's copy of its route and of every fallback, or of the one target that is asked alone."""
    shape, alone = case.shape, case.where.alone
    if alone is not None:
        target: JsonObject = {"provider": provider_name(case, alone), "model": shape.places[alone].model}
        return {model_name(case): {"targets": [target]}}
    found: JsonObject = {}
    for number, node in enumerate(shape.nodes):
        settings = _route(node.settings, seconds)
        targets = zip(node.places, node.settings.targets, strict=True)
        settings["targets"] = [
            {
                **obj(_plain(structs.replace(target, timeouts=_shortened(target.timeouts, seconds, given=True)))),
                "provider": provider_name(case, index),
                "model": shape.places[index].model,
            }
            for index, target in targets
        ]
        settings["fallbacks"] = [model_name(case, one) for one in node.fallbacks]
        settings["fallbacks_for"] = {
            "context_length": [model_name(case, one) for one in node.context_length],
            "content_policy": [model_name(case, one) for one in node.content_policy],
        }
        found[model_name(case, number)] = settings
    return found


def _route(model: Model, seconds: float) -> JsonObject:
    if model.hedge is not None and model.hedge.after is not None:
        model = structs.replace(model, hedge=structs.replace(model.hedge, after=min(model.hedge.after, seconds / 4)))
    if model.slow_stream is not None:
        guard = structs.replace(model.slow_stream, window=min(model.slow_stream.window, seconds / 4))
        model = structs.replace(model, slow_stream=guard)
    found = obj(_plain(model))
    return {
        name: value
        for name, value in found.items()
        if value is not None and name not in ("targets", "fallbacks", "fallbacks_for", "limits", "shadow")
    }


def _shortened(timeouts: Timeouts, seconds: float, *, given: bool = False) -> Timeouts:
    """No limit longer than ``seconds``; ``given``: what is not set stays so."""
    most = {"connect": seconds / 2, "first_byte": seconds, "idle": seconds, "total": 15 * seconds}
    found = {
        name: value if (value := getattr(timeouts, name)) is None and given else min(value or limit, limit)
        for name, limit in most.items()
    }
    return Timeouts(**found)


def _plain(value: Struct) -> Json:
    found: Json = msgspec.to_builtins(value, enc_hook=_dummy)
    return found


def _dummy(value: object) -> str:
    if isinstance(value, Secret):
        return DUMMY
    raise NotImplementedError(type(value).__name__)


def _dummies(count: int) -> set[str]:
    return {f"{DUMMY}-{number}" for number in range(count)}


def _escaped(value: Json) -> Json:
    """Texts that were resolved once must not be read as references again."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {name: _escaped(child) for name, child in value.items()}
    return [_escaped(child) for child in value] if isinstance(value, list) else value
