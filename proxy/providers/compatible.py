"""Accounts at providers that speak OpenAI's dialect, made from their data. A provider's own file holds nothing else."""

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, structs

from ..translation.contract import Operation
from ..wire.values import JsonObject
from .account import Account
from .base import OptionError, Settings
from .openai_dialect.chat import CompatibleChat
from .openai_dialect.passing import CompatiblePassing
from .openai_dialect.spec import Compatible


def provider_of(spec: Compatible) -> Callable[[Settings], Account]:
    """The factory that the registry names. Options: ``think``, ``think_unopened``, ``repair``, and those that ``spec`` names."""
    options_type = _options_type(spec)

    def provider(settings: Settings) -> Account:
        """One account. Raises ``OptionError``."""
        # A text that a reference brought is one of its own kind.
        options: JsonObject = msgspec.to_builtins(settings.read(options_type), enc_hook=str)
        base_url = _base_url(spec, settings, options)
        chosen = _chosen(spec, options)
        dialect = CompatibleChat(chosen)

        def operations(endpoint: str, model: str) -> Operation | None:
            return dialect if endpoint == "chat" else None

        return Account(
            settings,
            base_url=base_url,
            native=_native(spec, base_url),
            credentials=_credentials(spec, settings, options),
            operations=operations,
            passing=CompatiblePassing(chosen, base_url, forwards=settings.forwards),
            catalogued=spec.name,
        )

    return provider


def _options_type(spec: Compatible) -> type[Struct]:
    names = [*spec.settings, *(option for option, *_ in spec.headers.values())]
    fields: list[tuple[str, object, object]] = [(name, str | None, None) for name in names]
    if not spec.exact:
        fields.append(("think", Literal["split", "keep"] | None, None))
        fields.append(("think_unopened", tuple[str, ...], ()))
        fields.append(("repair", bool, True))
    return msgspec.defstruct("Options", fields, frozen=True, kw_only=True, forbid_unknown_fields=True)


def _chosen(spec: Compatible, options: JsonObject) -> Compatible:
    """``spec`` as the account's options have it."""
    quirks = spec.quirks
    if options.get("think") is not None:
        quirks = structs.replace(quirks, think=options["think"] == "split")
    unopened = options.get("think_unopened")
    if isinstance(unopened, list | tuple) and unopened:
        patterns = (*quirks.unopened, *(str(pattern).lower() for pattern in unopened))
        quirks = structs.replace(quirks, think=True, unopened=patterns)
    return structs.replace(spec, quirks=quirks, exact=spec.exact, repairs=options.get("repair") is not False)


def _base_url(spec: Compatible, settings: Settings, options: JsonObject) -> str:
    """The operator's, a bare host with the provider's own path; else the provider's, its placeholders filled in."""
    if settings.base_url is not None:
        url = settings.base_url.rstrip("/")
        return url + urlsplit(spec.base_url.replace("{", "").replace("}", "")).path if url.count("/") == 2 else url
    values: dict[str, str] = {}
    for option, variables in spec.settings.items():
        value = options.get(option) or settings.variable(*variables)
        if not isinstance(value, str):
            raise OptionError(f"options.{option}", f"is needed; set it, or the variable {' or '.join(variables)}")
        values[option] = value.strip("/").removeprefix("https://")
    return spec.base_url.format(**values)


def _native(spec: Compatible, base_url: str) -> str:
    """The address below which the provider's own SDKs write its whole path."""
    path = urlsplit(spec.base_url.replace("{", "").replace("}", "")).path
    parts = urlsplit(base_url)
    return base_url.removesuffix(path) if base_url.endswith(path) else f"{parts.scheme}://{parts.netloc}"


def _credentials(spec: Compatible, settings: Settings, options: JsonObject) -> list[tuple[str, str]]:
    found = [("authorization", f"Bearer {settings.api_key}")] if settings.api_key is not None else []
    for header, (option, *variables) in spec.headers.items():
        value = options.get(option) or settings.variable(*variables)
        if isinstance(value, str) and value:
            found.append((header, value))
    return found
