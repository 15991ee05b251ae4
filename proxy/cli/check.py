"""``tollway check``: everything that can be known before starting, and what starting would do."""

import json
import os
from collections.abc import Iterator

import click
import msgspec

from ..accounts import load_checked
from ..config import Config, ConfigError, Loaded
from ..config.checks_policy import caches, counts, effective_state
from ..config.show import Plain, masked
from ..policy.caching import ExactCache
from .config import CONFIG_OPTION

ADMIN_KEY = "TOLLWAY_ADMIN_KEY"
"""The variable that stands in for ``admin.key``."""

STATES = {
    "memory": ": counts for this process alone",
    "embedded": ": the workers of this machine count together",
    "redis": ": all gateways on that store count together",
}

SHARED = {"key": "each key its own", "account": "shared by an account's keys"}
"""Whose answers a caller may get."""


@click.command(epilog="Exit codes: 0 valid, 1 not valid, 2 valid with warnings under --strict.")
@CONFIG_OPTION
@click.option("--strict", is_flag=True, help="Exit with 2 when there are warnings.")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def check(path: str | None, strict: bool, output: str) -> None:
    """Validate the configuration, resolve its secrets and show the plan. Nothing is started and nothing is called."""
    try:
        loaded = load_checked(path, os.environ)
    except ConfigError as error:
        _refuse(error, output)
        raise SystemExit(1) from None
    plan = make_plan(loaded)
    click.echo(json.dumps(plan, indent=2, ensure_ascii=False) if output == "json" else table(plan))
    if strict and loaded.warnings:
        raise SystemExit(2)


def _refuse(error: ConfigError, output: str) -> None:
    if output == "json":
        problems = [msgspec.to_builtins(problem) for problem in error.problems]
        click.echo(json.dumps({"ok": False, "problems": problems}, indent=2, ensure_ascii=False))
        return
    for problem in error.problems:
        click.echo(str(problem), err=True)
    count = len(error.problems)
    if count == 1 and "\n" in str(error):
        return
    click.echo(f"Fix: mend {'this' if count == 1 else f'these {count} problems'} and run tollway check again", err=True)


def make_plan(loaded: Loaded) -> dict[str, Plain]:
    """What a start would do, as plain values with masked secrets."""
    config = loaded.config
    return {
        "ok": True,
        "file": loaded.path,
        "listeners": list(_listeners(config)),
        "workers": config.server.workers,
        "auth": {"mode": config.auth.mode, "keys": [key.name for key in config.keys]},
        "providers": [
            {
                "name": name,
                "use": provider.use,
                "base_url": provider.base_url,
                "api_key": None if provider.api_key is None else provider.api_key.masked(),
                "api_keys": [key.masked() for key in provider.api_keys],
                "proxy": provider.proxy is not None,
            }
            for name, provider in config.providers.items()
        ],
        "models": {
            name: [{"provider": target.provider, "model": target.model} for target in model.targets]
            for name, model in config.models.items()
        },
        "passthrough": masked(config.passthrough),
        "accounts": list(config.accounts),
        "storage": _storage(config),
        "state": effective_state(config) if counts(config) else None,
        "cache": _cache(config),
        "admin": config.admin.key is not None or bool(os.environ.get(ADMIN_KEY)),
        "warnings": list(loaded.warnings),
        "digest": loaded.digest,
    }


def _storage(config: Config) -> dict[str, Plain] | None:
    """The database and the folder of the write-ahead files; ``None`` without a database."""
    if config.storage.type == "none":
        return None
    # Loads what serves requests, which a plan without a database does not need.
    from ..stores import journal_root

    place = config.storage.path if config.storage.type == "sqlite" else None
    return {"type": config.storage.type, "path": place, "journal": str(journal_root(config)), "ledger": config.ledger}


def _cache(config: Config) -> dict[str, Plain] | None:
    """What is answered from stored answers, and where they are; ``None`` where nothing turns a cache on."""
    if not caches(config):
        return None
    # Loads what serves requests, as above.
    from ..cached import semantic_anywhere

    cache, state = config.cache, effective_state(config)
    semantic = cache.semantic
    everywhere = semantic.enabled if cache.exact is None else cache.exact.enabled
    return {
        "requests": "all" if everywhere else "some",
        "store": "memory" if cache.store == "memory" else state,
        "max_bytes": cache.max_bytes,
        "ttl": (cache.exact or ExactCache()).ttl,
        "share": cache.share,
        "groups": list(cache.groups),
        "semantic": {
            "mode": semantic.mode,
            "embedder": semantic.embedder,
            "threshold": semantic.threshold,
        }
        if semantic_anywhere(config)
        else None,
    }


def _listeners(config: Config) -> list[str]:
    server = config.server
    scheme = "https" if server.tls is not None else "http"
    found = [f"{scheme}://{_host(server.host)}:{server.port}" if server.uds is None else f"unix:{server.uds}"]
    if server.health_port is not None:
        found.append(f"http://{_host(server.health_host or server.host)}:{server.health_port} (health)")
    if server.admin_port is not None:
        found.append(f"{scheme}://{_host(server.admin_host)}:{server.admin_port} (admin)")
    return found


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def table(plan: dict[str, Plain]) -> str:
    """The plan for people: one aligned line a thing."""
    rows: list[tuple[str, str]] = [("file", str(plan["file"] or "none: built from the environment"))]
    rows += [("listen", str(item)) for item in _items(plan["listeners"])]
    rows.append(("workers", str(plan["workers"])))
    auth = plan["auth"]
    assert isinstance(auth, dict)
    keys = [str(name) for name in _items(auth["keys"])]
    rows.append(("auth", f"{auth['mode']}" + (f" ({len(keys)}: {', '.join(keys)})" if keys else "")))
    for item in _items(plan["providers"]):
        assert isinstance(item, dict)
        address = item["base_url"] or f"the address of {item['use']}"
        several = _items(item["api_keys"])
        key = f"key {item['api_key']}" if item["api_key"] else "no credential"
        if several:
            key = f"keys {', '.join(str(each) for each in several)}"
        rows.append(
            (
                "provider",
                f"{item['name']}: {item['use']} at {address}, {key}{', through a proxy' if item['proxy'] else ''}",
            )
        )
    models = plan["models"]
    assert isinstance(models, dict)
    for name, targets in models.items():
        shown = [f"{t['provider']}/{t['model']}" for t in _items(targets) if isinstance(t, dict)]
        rows.append(("model", f"{name} -> {', '.join(shown)}"))
    passthrough = plan["passthrough"]
    assert isinstance(passthrough, dict)
    rows.append(("paths without model", f"{passthrough['provider'] or 'refused'}"))
    rows += list(_kept(plan))
    rows += [("warning", str(item)) for item in _items(plan["warnings"])]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows) + "\nvalid"


def _kept(plan: dict[str, Plain]) -> Iterator[tuple[str, str]]:
    """Rows about accounts, money and counters, where there are such."""
    if accounts := _items(plan["accounts"]):
        yield "accounts", ", ".join(map(str, accounts))
    storage = plan["storage"]
    if isinstance(storage, dict):
        place = f" at {storage['path']}" if storage["path"] else ""
        yield "storage", f"{storage['type']}{place}, journal in {storage['journal']}, ledger {storage['ledger']}"
        yield "admin API", "open at /admin/v1" if plan["admin"] else "closed: no admin.key"
    if plan["state"] is not None:
        yield "state", f"{plan['state']}{STATES[str(plan['state'])]}"
    cache = plan["cache"]
    if not isinstance(cache, dict):
        yield "cache", "off: nothing turns it on"
        return
    whose = "" if cache["requests"] == "all" else ", for what turns it on"
    place = f"in memory, {float(str(cache['max_bytes'])) / 2**20:g} MiB each process"
    if cache["store"] != "memory":
        place = f"in the {cache['store']} state"
    yield "cache", f"exact{whose}, {place}, {float(str(cache['ttl'])):g} s, {SHARED[str(cache['share'])]}"
    semantic = cache["semantic"]
    if isinstance(semantic, dict):
        yield "semantic cache", f"{semantic['mode']}, embedder {semantic['embedder']}, cosine {semantic['threshold']}"


def _items(value: Plain) -> list[Plain]:
    assert isinstance(value, list)
    return value
