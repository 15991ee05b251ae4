"""A model in a llama.cpp server that the gateway itself starts and watches (``proxy/inference``); it speaks OpenAI's dialect."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .account import Account
from .base import OptionError, Settings
from .compatible import provider_of
from .openai_dialect.spec import Compatible


class LocalOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``model``: a GGUF file in place of the packaged weights, ``alias``: its name; ``context``: tokens of each of ``parallel``
    slots; ``threads``: 0 leaves one core to the gateway."""

    model: str | None = None
    alias: str | None = None
    context: Annotated[int, Meta(ge=256, le=1_048_576)] = 2048
    parallel: Annotated[int, Meta(ge=1, le=64)] = 4
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0


class Place(Struct, frozen=True, kw_only=True):
    """Where the launcher's engine listens, the key it wants, and the options it was started with."""

    url: str
    key: str
    options: LocalOptions


LOCAL = Compatible(name="local", base_url="http://127.0.0.1:1/v1", keyless=True, offers=frozenset(("completions",)))

SERVING = "TOLLWAY_SERVING"
"""Set while a gateway runs: a local model that has no engine then was added later."""

_spec = provider_of(LOCAL)


def variable_of(name: str) -> str:
    """The variable in which the launcher tells its workers the ``Place`` of provider ``name``: unlike for unlike names."""
    return "TOLLWAY_LOCAL_ENGINE_" + name.encode().hex().upper()


def provider(settings: Settings) -> Account:
    """One engine: the launcher's, or with ``base_url`` one that somebody else runs. Raises ``OptionError``."""
    options = settings.read(LocalOptions)
    base_url, key = settings.base_url, settings.api_key
    if base_url is not None:
        if settings.options:
            raise OptionError("options", "are for an engine that the gateway starts; remove them, or base_url")
    else:
        place = _place(settings, options)
        base_url, key = (place.url, place.key) if place is not None else (None, key)
    return _spec(
        Settings(
            name=settings.name,
            base_url=base_url,
            api_key=key,
            headers=settings.headers,
            forwards=False,
            environ=settings.environ,
        )
    )


def _place(settings: Settings, options: LocalOptions) -> Place | None:
    """``None`` where nothing is served: the configuration is being looked at."""
    told = settings.environ.get(variable_of(settings.name))
    if told is None:
        if SERVING in settings.environ:
            raise OptionError("use", "a local model is started together with the gateway: restart it")
        return None
    place = msgspec.json.decode(told, type=Place)
    if place.options != options:
        raise OptionError("options", "a local model gets its options when the gateway starts: restart it")
    return place
