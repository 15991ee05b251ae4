"""Configuration to services: what a reload makes anew."""

import time
from collections.abc import Mapping
from random import Random

from . import catalogue
from .catalogue.model import ModelInfo
from .catalogued import Facts, bare_names, listed_models, lists_models, owner_of, rows_of
from .config import Config
from .config.checks_policy import caches, expires_at
from .config.traffic import Key, Timeouts
from .context import Target
from .identity.callers import Callers
from .identity.failures import FailureLimiter
from .identity.modes import Forwarder, Open
from .identity.principals import Terms, file_account, file_key
from .identity.signing_keys import SigningKeys
from .identity.stored import StoredKeys
from .identity.tokens import Tokens
from .money.hosting import self_hosted
from .money.prices import PriceList
from .money.pricing import CataloguePricing
from .policy.rules import Rule, rules_of
from .policy.terms import Budget, Scopes
from .protocols import Authenticator, Board, Clock, ModelEntry
from .relay.relay import RelaySettings
from .relay.upload import BodyLimits
from .routed import autos, limits_of, retry_of, routes_of
from .routing.directory import WILDCARD, Directory
from .routing.policies import policies
from .routing.router import Router
from .routing.scores import Scores
from .storage.records import KeyRecord


def authenticator(
    config: Config,
    clock: Clock,
    *,
    terms: Terms,
    stored: StoredKeys | None = None,
    signers: SigningKeys | None = None,
    pepper: bytes = b"",
) -> Authenticator:
    """Who may call, by ``auth.mode``."""
    auth = config.auth
    failures = FailureLimiter(per_address=auth.failures_per_minute, total=auth.failures_total_per_minute, clock=clock)
    match auth.mode:
        case "open":
            return Open()
        case "forward":
            return Forwarder(failures)
        case "keys":
            keys = [(key.key.reveal(), _record(key)) for key in config.keys]
            tokens = Tokens(signers, terms=terms, stored=stored) if signers is not None else None
            return Callers(keys, failures, terms=terms, stored=stored, tokens=tokens, pepper=pepper)


def terms_of(config: Config) -> Terms:
    """What the file says about all keys."""
    accounts = {
        name: file_account(
            name, limits=account.limits, budgets=_budgets(account.budget, account.budgets), plan=account.plan
        )
        for name, account in config.accounts.items()
    }
    keys = {key.name: _record(key) for key in config.keys}
    return Terms(default=config.limits.default, accounts=accounts, keys=keys, ledgered=config.storage.type != "none")


def _record(key: Key) -> KeyRecord:
    return file_key(
        key.name,
        account=key.account,
        scopes=Scopes(
            models=key.models,
            endpoints=key.endpoints,
            providers=key.providers,
            networks=key.networks,
            passthrough=key.passthrough,
            stability=key.stability,
            controls=key.controls,
            regions=key.regions,
            max_price=key.max_price,
            slo=key.slo,
            cache=key.cache,
        ),
        limits=key.limits,
        budgets=_budgets(key.budget, key.budgets),
        output_cap=key.max_output_tokens,
        expires=expires_at(key.expires) if key.expires is not None else None,
    )


def _budgets(one: Budget | None, more: tuple[Budget, ...]) -> tuple[Budget, ...]:
    return more if one is None else (one, *more)


def shared_rules(config: Config) -> tuple[tuple[Rule, ...], dict[str, tuple[Rule, ...]], dict[str, tuple[Rule, ...]]]:
    """(the gateway's rules, each model's by its public name, each provider's by its name)."""
    models = {name: rules_of(model.limits, "model", name) for name, model in config.models.items()}
    providers = {name: rules_of(provider.limits, "provider", name) for name, provider in config.providers.items()}
    return (
        rules_of(config.limits.gateway, "gateway", ""),
        {name: rules for name, rules in models.items() if rules},
        {name: rules for name, rules in providers.items() if rules},
    )


def pricing(config: Config) -> CataloguePricing:
    """What requests cost. The catalogue is the one in force."""
    providers = config.providers

    def info(target: Target) -> ModelInfo | None:
        provider = providers.get(target.provider)
        return catalogue.info(provider.use, target.model) if provider is not None and target.model else None

    def free(name: str) -> bool:
        provider = providers.get(name)
        return provider is not None and self_hosted(provider.use, provider.base_url)

    return CataloguePricing(PriceList(info=info, free=free, unknown=config.catalogue.unknown_price))


def directory(config: Config, wall: Clock = time.time) -> Directory:
    """Public names to routes, and what can be listed behind wildcards. Opens the catalogue as ``config`` has it."""
    catalogue.configure(rows_of(config))
    everything = limits_of(Timeouts(), config.timeouts)
    providers = {name: Target(provider=name, model=WILDCARD, limits=everything) for name in config.providers}
    bare = {} if config.models else bare_names(config)
    facts = Facts(config, wall)

    def snapshot(name: str) -> Target | None:
        owner = owner_of(config, name) if bare else None
        return Target(provider=owner, model=name, limits=everything) if owner is not None else None

    wildcard = config.models.get(WILDCARD)
    return Directory(
        models=routes_of(config),
        providers=providers,
        catalogued=_catalogued(config, bare),
        passthrough=config.passthrough.provider,
        bare={name: Target(provider=owner, model=model, limits=everything) for name, (owner, model) in bare.items()},
        snapshot=snapshot,
        successors=config.successors,
        standing=facts.standing,
        about=facts.about,
        facts=facts.known,
        today=facts.day,
        retry=retry_of(config),
        lists=wildcard is not None and lists_models(config, wildcard.targets[0].provider),
    )


def router(
    config: Config, directory: Directory, *, board: Board, scores: Scores | None, clock: Clock, wall: Clock, rng: Random
) -> Router:
    """Where requests go; ``scores``: of ``routing.scores``, if it is set."""
    scored = scores is not None
    return Router(
        directory=directory,
        board=board,
        policies=policies(scores, quality=config.routing.auto.quality),
        scored=scored,
        classed=scores is not None and scores.classed,
        admin_paths=config.passthrough.admin,
        providers_use={name: provider.use for name, provider in config.providers.items()},
        clock=clock,
        wall=wall,
        rng=rng,
        autos=autos(config, directory, scored=scored),
        stored=caches(config),
        retry=retry_of(config),
    )


def _catalogued(config: Config, bare: Mapping[str, tuple[str, str]]) -> list[ModelEntry]:
    """Known models of each provider: bare behind ``"*"``, else as ``provider/model``, and those of ``bare``."""
    wildcard = config.models.get(WILDCARD)
    sole = wildcard.targets[0].provider if wildcard is not None and wildcard.targets[0].model == WILDCARD else None
    entries = [ModelEntry(name, owner) for name, (owner, _) in bare.items()]
    for name, provider in config.providers.items():
        prefix = "" if name == sole else f"{name}/"
        entries += [ModelEntry(prefix + model, name) for model in listed_models(config, provider)]
    return entries


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
