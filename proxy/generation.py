"""Configuration to services: what a reload makes anew."""

from collections.abc import Callable
from importlib import import_module

from . import catalogue
from .config import Config
from .config.traffic import Timeouts
from .context import Limits, Principal, Target
from .identity.failures import FailureLimiter
from .identity.keyring import Forwarder, Keyring, Open
from .protocols import Authenticator, Clock, ModelEntry, Provider, Providers
from .providers import PROVIDERS
from .relay.relay import RelaySettings
from .relay.upload import BodyLimits
from .routing.directory import WILDCARD, Directory
from .upstream.session import SessionTransport

_DEFAULTS = Limits(connect=5.0, first_byte=None, idle=120.0, total=1800.0)


def authenticator(config: Config, clock: Clock) -> Authenticator:
    """Who may call, by ``auth.mode``."""
    auth = config.auth
    failures = FailureLimiter(per_address=auth.failures_per_minute, total=auth.failures_total_per_minute, clock=clock)
    match auth.mode:
        case "open":
            return Open()
        case "forward":
            return Forwarder(failures)
        case "keys":
            return Keyring(
                [(key.key.reveal(), _principal(key.name, key.models, key.passthrough)) for key in config.keys], failures
            )


def _principal(name: str, models: tuple[str, ...], passthrough: bool | None) -> Principal:
    allowed = WILDCARD in models if passthrough is None else passthrough
    return Principal(name=name, tenant=name, models=models, passthrough=allowed)


def directory(config: Config) -> Directory:
    """Public names to targets, and what can be listed behind wildcards."""
    models = {}
    for name, model in config.models.items():
        first = model.targets[0]
        limits = _limits(first.timeouts, config.timeouts)
        models[name] = Target(provider=first.provider, model=first.model, limits=limits)
    everything = _limits(Timeouts(), config.timeouts)
    providers = {name: Target(provider=name, model=WILDCARD, limits=everything) for name in config.providers}
    return Directory(
        models=models, providers=providers, catalogued=_catalogued(config), passthrough=config.passthrough.provider
    )


def _limits(own: Timeouts, shared: Timeouts) -> Limits:
    return Limits(
        connect=own.connect or shared.connect or _DEFAULTS.connect,
        first_byte=own.first_byte or shared.first_byte,
        idle=own.idle or shared.idle or _DEFAULTS.idle,
        total=own.total or shared.total or _DEFAULTS.total,
    )


def _catalogued(config: Config) -> list[ModelEntry]:
    """Known models of providers at their own address: bare behind ``"*"``, as ``provider/model`` otherwise."""
    wildcard = config.models.get(WILDCARD)
    bare = wildcard.targets[0].provider if wildcard is not None and wildcard.targets[0].model == WILDCARD else None
    entries = []
    for name, provider in config.providers.items():
        if provider.base_url is None:
            prefix = "" if name == bare else f"{name}/"
            entries += [ModelEntry(prefix + info.id, name) for info in catalogue.models_of(provider.use)]
    return entries


def providers(config: Config, transports: dict[str, SessionTransport]) -> Providers:
    """Each configured provider with its pool; only their own modules are imported."""
    forwards = config.auth.mode == "forward"
    built = {}
    for name, provider in config.providers.items():
        module, _, attribute = PROVIDERS[provider.use].partition(":")
        factory: Callable[..., Provider] = getattr(import_module(module), attribute)
        instance = factory(
            name,
            base_url=provider.base_url,
            api_key=provider.api_key.reveal() if provider.api_key is not None else None,
            headers=tuple((header.lower(), value.reveal()) for header, value in provider.headers.items()),
            forwards=forwards,
        )
        built[name] = (instance, transports[name])
    return built


def relay_settings(config: Config) -> RelaySettings:
    """What the configuration says about relaying."""
    return RelaySettings(
        keepalive=config.streaming.keepalive,
        send_timeout=config.server.send_timeout,
        include_usage=config.streaming.include_usage,
        server_timing=config.telemetry.server_timing,
        gateway_headers=config.telemetry.gateway_headers,
    )


def body_limits(config: Config) -> BodyLimits:
    """What the configuration says about request bodies."""
    server = config.server
    return BodyLimits(
        body=server.max_body,
        upload=server.max_upload,
        idle=server.body_idle_timeout,
        total=server.body_total_timeout,
        upload_total=server.upload_total_timeout,
        spool_dir=server.spool_dir,
    )


def known_models(config: Config) -> set[str]:
    """Upstream model names that may stand in a metric label."""
    names = {target.model for model in config.models.values() for target in model.targets}
    for provider in config.providers.values():
        names.update(info.id for info in catalogue.models_of(provider.use))
    names.discard(WILDCARD)
    return names
