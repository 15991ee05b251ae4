"""The drill's own configuration: the user's routing, nobody's keys, and no way out of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.accounts import load_checked
from proxy.config import Config
from proxy.drill.cases import cases_of
from proxy.drill.derive import (
    Addresses,
    NotLoopback,
    check_loopback,
    document,
    patience_of,
    place_of,
    provider_name,
    without_marks,
)
from proxy.drill.faults import DRILLED
from proxy.drill.process import environment
from proxy.drill.shape import shapes_of

from .build import config, route

ADDRESSES = Addresses(mock="http://127.0.0.1:1001", shut="http://127.0.0.1:1002", stuck="http://127.0.0.1:1003")
SECRETS = {
    "providers": {
        "a": {"use": "openai", "api_keys": ["sk-real-1", "sk-real-2"], "headers": {"x-team": "sk-real-3"}, "proxy": "http://sk-real-4:x@proxy:1"},
        "b": {"use": "bedrock", "options": {"region": "eu-central-1", "access_key_id": "sk-real-5", "secret_access_key": "sk-real-6", "profile": "p"}},
        "c": {"use": "azure", "base_url": "https://sk-real-7.openai.azure.com", "options": {"api_version": "2024-10-21", "tenant_id": "sk-real-8", "client_id": "sk-real-9", "client_secret": "sk-real-10"}},
        "d": {"use": "vertex", "options": {"credentials_file": "/sk-real-11.json", "location": "eu"}},
        "e": {"use": "local", "options": {"parallel": 2}},
    },
    "admin": {"key": "sk-real-12"},
    "storage": {"type": "postgres", "url": "postgresql://sk-real-13@host/db"},
    "state": {"type": "redis", "url": "redis://sk-real-14@host"},
    "catalogue": {"refresh": {"url": "https://sk-real-15.example.com/catalogue.json"}},
}  # fmt: skip


def made(found: Config, *faults: str, seconds: float = 2.0) -> dict[str, Any]:
    cases = cases_of(shapes_of(found), [DRILLED[name] for name in faults])
    written: dict[str, Any] = document(found, cases, ADDRESSES, key="sk-tw-drill", port=1000, seconds=seconds)
    return written


def test_no_secret_and_no_address_of_the_users_is_in_it() -> None:
    found = config({"r": route("a", "b", "c", "d", "e")}, **SECRETS)
    written = made(found, *DRILLED)
    assert "sk-real" not in json.dumps(written)
    for provider in written["providers"].values():
        assert provider["base_url"].startswith("http://127.0.0.1:100")
        assert provider.keys() <= {"use", "base_url", "api_key", "api_keys", "region", "headers", "options"}
    assert "storage" not in written
    assert "state" not in written
    assert "admin" not in written


def test_the_gateway_takes_it(tmp_path: Path) -> None:
    found = config({"r": route("a", "b", "c", "d", "e", fallbacks=["s"]), "s": route("a/x")}, **SECRETS)
    file = tmp_path / "drill.json"
    file.write_text(json.dumps(made(found, "reset", "refused", "rate-limit")))
    loaded = load_checked(str(file), {}).config
    assert len(loaded.keys) == 1
    assert loaded.models["drill-0"].fallbacks == ("drill-0.1",)


def test_kinds_options_and_policies_stay() -> None:
    found = config({"r": route("a", "b", policy="weighted", retry={"attempts": 5})}, **SECRETS)
    written = made(found, "reset")
    assert written["providers"]["b.d0.1"]["use"] == "bedrock"
    assert written["providers"]["b.d0.1"]["options"] == {"region": "eu-central-1"}
    assert written["providers"]["a.d0.0"]["api_keys"] == ["sk-drill-0", "sk-drill-1"]
    assert written["models"]["drill-0"]["policy"] == "weighted"
    assert written["models"]["drill-0"]["retry"]["attempts"] == 5


def test_the_fault_is_at_the_faulty_place_alone() -> None:
    found = config({"r": route("a", "b")})
    cases = cases_of(shapes_of(found), [DRILLED["status-500"], DRILLED["refused"]])
    written = document(found, cases, ADDRESSES, key="k" * 20, port=1, seconds=2)
    for case in cases:
        for index in (0, 1):
            provider: Any = written["providers"][provider_name(case, index)]  # type: ignore[index, call-overload]
            told = provider["headers"].get("x-mock-fault")
            faulty = index in case.where.faulty
            assert told == ("status:500" if faulty and case.fault.name == "status-500" else None)
            shut = faulty and case.fault.door == "shut"
            assert provider["base_url"].startswith(ADDRESSES.shut if shut else ADDRESSES.mock)
            assert provider["headers"]["x-drill"] == f"{case.number}.{index}"


def test_time_limits_are_shortened_and_never_lengthened() -> None:
    found = config({"r": route("a")}, timeouts={"connect": 0.5, "total": 3600})
    written = made(found, "reset", seconds=3)
    assert written["timeouts"] == {"connect": 0.5, "first_byte": 3, "idle": 3, "total": 45}
    assert patience_of(found, 3).answer == 3
    target = {"provider": "a", "model": "m", "timeouts": {"first_byte": 0.7, "idle": 90}}
    written = made(config({"r": {"targets": [target]}}), "reset", seconds=3)
    last = max(written["models"], key=lambda name: int(name.removeprefix("drill-")))
    assert written["models"][last]["targets"][0]["timeouts"] == {
        "connect": None, "first_byte": 0.7, "idle": 3, "total": None,
    }  # fmt: skip


def test_what_was_resolved_once_is_no_reference_again() -> None:
    found = config(
        {"r": route("a")}, providers={"a": {"use": "openai", "api_key": "x", "options": {"project": "${HOME}"}}}
    )
    assert made(found, "reset")["providers"]["a.d0.0"]["options"] == {"project": "$${HOME}"}


@pytest.mark.parametrize(
    "provider",
    [
        {"base_url": "https://api.openai.com/v1", "api_key": "sk-drill"},
        {"base_url": "http://127.0.0.1.example.com:80/v1", "api_key": "sk-drill"},
        {"base_url": "http://127.0.0.1:1", "api_key": "sk-drill", "proxy": "http://proxy:1"},
        {"base_url": "http://127.0.0.1:1", "api_key": "sk-real"},
        {"base_url": "http://127.0.0.1:1", "api_keys": ["sk-drill-0", "sk-real"]},
        {"api_key": "sk-drill"},
    ],
)
def test_a_way_out_is_found_before_anything_starts(provider: dict[str, Any]) -> None:
    check_loopback({"providers": {"a": {"base_url": "http://127.0.0.1:1/v1", "api_key": "sk-drill"}}})
    with pytest.raises(NotLoopback):
        check_loopback({"providers": {"a": provider}})


def test_places_are_told_from_names() -> None:
    told = "policy=priority; a.d12.3/m: reset; b.x.d1.0#2/n: cut"
    assert without_marks(told) == "policy=priority; a/m: reset; b.x#2/n: cut"
    assert place_of("a.d12.3") == 3
    assert place_of("a.d12") is None
    assert place_of("openai") is None


def test_the_childs_environment_has_no_keys(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "OPENAI_API_KEY": "sk-real",
        "HTTPS_PROXY": "http://p",
        "TOLLWAY_SERVER__PORT": "1",
        "HOME": "/root",
    }
    found = environment(given, tmp_path)
    assert found["PATH"] == "/bin"
    assert found["HOME"] == str(tmp_path)
    assert not found.keys() & {"OPENAI_API_KEY", "HTTPS_PROXY", "TOLLWAY_SERVER__PORT"}
