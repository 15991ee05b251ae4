"""Who may import whom. Each rule: these modules import, of ours, only those; ``NEVER`` names foreign ones kept out."""

import pytest

from .sources import OURS, imports_of, inside, modules

KERNEL = ("proxy.wire", "proxy.errors", "proxy.context", "proxy.protocols", "proxy.policy")

ONLY: dict[str, tuple[str, ...]] = {
    "proxy.policy": ("proxy.policy",),
    "proxy.wire": KERNEL,
    "proxy.errors": KERNEL,
    "proxy.context": KERNEL,
    "proxy.protocols": KERNEL,
    "proxy.relay": ("proxy.relay", "proxy.failover.classify", "proxy.failover.told", *KERNEL),
    "proxy.providers": ("proxy.providers", "proxy.translation", "proxy.catalogue", *KERNEL),
    "proxy.translation": ("proxy.translation", "proxy.catalogue", "proxy.wire", "proxy.errors", "proxy.protocols"),
    "proxy.upstream": ("proxy.upstream", *KERNEL),
    "proxy.identity": ("proxy.identity", "proxy.storage.records", *KERNEL),
    "proxy.routing": ("proxy.routing", *KERNEL),
    "proxy.health": ("proxy.health", *KERNEL),
    "proxy.failover": ("proxy.failover", *KERNEL),
    "proxy.affinity": ("proxy.affinity", "proxy.ownership", "proxy.state", *KERNEL),
    "proxy.rollout": ("proxy.rollout", *KERNEL),
    "proxy.drill": ("proxy.drill", "proxy.config", "proxy.mock", "proxy.wire"),
    "proxy.local": ("proxy.local", *KERNEL),
    "proxy.telemetry": ("proxy.telemetry", "proxy", *KERNEL),
    "proxy.tokens": ("proxy.tokens", "proxy.wire"),
    "proxy.catalogue": ("proxy.catalogue",),
    "proxy.config": ("proxy.config", "proxy.policy"),
    "proxy.limits": ("proxy.limits", "proxy.state", "proxy.tokens", *KERNEL),
    "proxy.state": ("proxy.state", *KERNEL),
    "proxy.money": ("proxy.money", "proxy.catalogue", "proxy.storage.records", "proxy.storage.errors", *KERNEL),
    "proxy.storage": ("proxy.storage", *KERNEL),
    "proxy.ownership": ("proxy.ownership", "proxy.state", *KERNEL),
    "proxy.admin": ("proxy.admin", "proxy.identity", "proxy.storage", "proxy.money", *KERNEL),
    "proxy.mock": ("proxy.mock", "proxy.wire"),
    "proxy.admission": ("proxy.admission", *KERNEL),
    "proxy.cache": ("proxy.cache", "proxy.state", "proxy.relay.inflate", "proxy.translation.completion", *KERNEL),
    "proxy.semantic": ("proxy.semantic", "proxy.state", *KERNEL),
    "proxy.migration": ("proxy.migration", "proxy.catalogue", "proxy.config"),
    "proxy.comparison": (
        "proxy.comparison",
        "proxy.benchmark.statistics",
        "proxy.charts",
        "proxy.routing.kinds",
        "proxy.routing.scores",
        *KERNEL,
    ),
    "middleware": (
        "middleware",
        "proxy.services",
        "proxy.relay",
        "proxy.local",
        "proxy.ownership.guarding",
        "proxy.cache",
        *KERNEL,
    ),
}

NEVER: dict[str, tuple[str, ...]] = {
    "proxy.wire": ("aiohttp", "starlette", "asyncio", "granian"),
    "proxy.errors": ("aiohttp", "starlette", "asyncio", "granian"),
    "proxy.relay": ("aiohttp", "granian"),
    "proxy.providers": ("aiohttp", "asyncio", "proxy.upstream", "granian", "time", "random"),
    "proxy.translation": ("aiohttp", "asyncio", "proxy.upstream", "granian", "time", "random"),
    "proxy.routing": ("aiohttp", "asyncio", "time"),
    "proxy.health": ("aiohttp", "time"),
    "proxy.failover": ("aiohttp", "asyncio", "time"),
    "proxy.cache": ("aiohttp", "granian", "time", "numpy"),
    "proxy.semantic": ("aiohttp", "granian", "starlette"),
    "proxy.config": ("aiohttp", "starlette", "granian"),
    "proxy.comparison": ("aiohttp", "starlette", "granian", "click"),
    "middleware": ("aiohttp", "granian", "prometheus_client", "time"),
}


def of(package: str) -> list[str]:
    return [name for name in modules() if inside(name, package)]


@pytest.mark.parametrize("package", ONLY)
def test_only_these_of_ours(package: str) -> None:
    assert of(package), "the rule is about nothing"
    allowed = ONLY[package]
    wrong = {
        (name, found)
        for name in of(package)
        for found in imports_of(name)
        if found.split(".")[0] in OURS
        and not any(found == "proxy" == allow or (allow != "proxy" and inside(found, allow)) for allow in allowed)
    }
    assert wrong == set()


@pytest.mark.parametrize("package", NEVER)
def test_never_these(package: str) -> None:
    wrong = {
        (name, found)
        for name in of(package)
        for found in imports_of(name)
        if any(inside(found, banned) for banned in NEVER[package])
    }
    assert wrong == set()


def test_only_the_composition_root_imports_the_chain() -> None:
    importers = {
        name
        for name in modules()
        if not inside(name, "middleware") and any(inside(found, "middleware") for found in imports_of(name))
    }
    assert importers == {"proxy.app"}


def test_aiohttps_client_is_met_in_one_folder() -> None:
    importers = {name for name in modules() if any(inside(found, "aiohttp") for found in imports_of(name))}
    assert {name for name in importers if not inside(name, "proxy.mock") and not inside(name, "proxy.cli")} == {
        name for name in importers if inside(name, "proxy.upstream")
    }


def test_modules_of_the_chain_import_no_store() -> None:
    for name in of("middleware"):
        assert not any(inside(found, "proxy.app") for found in imports_of(name))


def test_inside_a_package_imports_are_relative() -> None:
    wrong = []
    for name, (path, _) in modules().items():
        own = name.split(".")[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith((f"from {own}.", f"from {own} import", f"import {own}")):
                wrong.append((name, line))
    assert wrong == []
