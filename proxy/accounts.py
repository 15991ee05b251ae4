"""Configured providers to accounts: only their own modules are imported, and what is wrong with one is a configuration problem."""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol

from msgspec import structs

from .config import Config, ConfigError, Loaded
from .config.load import load
from .config.problems import Problem
from .policy.accounts import account_name as account_name  # noqa: PLC0414 - asked for here by the composition root
from .policy.accounts import keys_of
from .protocols import Authorizer, Provider, Providers, Transport
from .providers import PROVIDERS
from .providers.base import AuthSpec, OptionError, Settings
from .routing.scores import load_scores
from .upstream.auth import SCHEMES
from .upstream.authorized import AuthorizedTransport


class Account(Provider, Protocol):
    """A provider as its factory makes it."""

    auth: AuthSpec | None


class Factory(Protocol):
    """``provider`` in each provider's module."""

    def __call__(self, settings: Settings) -> Account:
        """Raises ``OptionError``."""


def account(config: Config, name: str, environ: Mapping[str, str], key: int = 0) -> Account:
    """The account of ``providers.<name>`` with one of its keys. Raises ``OptionError``."""
    provider = config.providers[name]
    api_key = provider.api_keys[key] if provider.api_keys else provider.api_key
    module, _, attribute = PROVIDERS[provider.use].partition(":")
    factory: Factory = getattr(import_module(module), attribute)
    return factory(
        Settings(
            name=name,
            base_url=provider.base_url.rstrip("/") if provider.base_url is not None else None,
            api_key=api_key.reveal() if api_key is not None else None,
            headers=tuple((header.lower(), value.reveal()) for header, value in provider.headers.items()),
            forwards=config.auth.mode == "forward",
            options=provider.options,
            environ=environ,
        )
    )


def authorizer(spec: AuthSpec) -> Authorizer:
    """What signs or fetches for ``spec``; its module, and what that needs, is imported here and only here."""
    module, _, attribute = SCHEMES[spec.scheme].partition(":")
    scheme = getattr(import_module(module), attribute)
    found: Authorizer = scheme(spec.options)
    return found


def load_checked(path: str | None, environ: Mapping[str, str], overrides: Mapping[str, str] = {}) -> Loaded:
    """``load`` and a trial of every provider. Raises ``ConfigError`` naming each provider's missing or wrong setting.

    Without a file a provider whose key variable is set but whose other settings are not is left out, with a warning.
    """
    loaded = load(path, environ, overrides)
    if loaded.path is None:
        return _without_incomplete(loaded, environ)
    problems = []
    for name, keys in keys_of(loaded.config).items():
        try:
            for key in range(keys):
                account(loaded.config, name, environ, key)
        except OptionError as error:
            at = f"providers.{name}"
            origin = loaded.origins.get(f"{at}.{error.key}") or loaded.origins.get(f"{at}.use")
            problems.append(Problem(path=f"{at}.{error.key}", message=error.message, where=origin))
    problems += _scores(loaded)
    if problems:
        raise ConfigError(problems, loaded.sources)
    return loaded


def _scores(loaded: Loaded) -> list[Problem]:
    """What is wrong with the file of quality scores."""
    path = loaded.config.routing.scores
    if path is None:
        return []
    try:
        load_scores(path)
    except ValueError as error:
        return [Problem(path="routing.scores", message=str(error), where=loaded.origins.get("routing.scores"))]
    return []


def _without_incomplete(loaded: Loaded, environ: Mapping[str, str]) -> Loaded:
    """``loaded`` without the providers that a stray variable brought in. Raises ``ConfigError`` when none is left."""
    config = loaded.config
    warnings, problems, kept = [], [], {}
    for name, provider in config.providers.items():
        try:
            account(config, name, environ)
        except OptionError as error:
            warnings.append(f"provider {name} is left out: {error}")
            problems.append(Problem(path=f"providers.{name}.{error.key}", message=error.message))
        else:
            kept[name] = provider
    if problems and not kept:
        raise ConfigError(problems, loaded.sources)
    if not problems:
        return loaded
    models = {
        name: model for name, model in config.models.items() if all(target.provider in kept for target in model.targets)
    }
    passthrough = config.passthrough
    if passthrough.provider is not None and passthrough.provider not in kept:
        passthrough = structs.replace(passthrough, provider=None)
    smaller = structs.replace(config, providers=kept, models=models, passthrough=passthrough)
    return structs.replace(loaded, config=smaller, warnings=(*loaded.warnings, *warnings))


def providers(config: Config, transports: Mapping[str, Transport], environ: Mapping[str, str]) -> Providers:
    """Each configured provider with its pool, behind its authorizer where it needs one; several keys are several accounts."""
    built: dict[str, tuple[Provider, Transport]] = {}
    for name, keys in keys_of(config).items():
        for key in range(keys):
            found, transport = account(config, name, environ, key), transports[name]
            if found.auth is not None and not found.forwards:
                transport = AuthorizedTransport(transport, authorizer(found.auth))
            built[account_name(name, key)] = (found, transport)
    return built
