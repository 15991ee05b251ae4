"""What is known of how the interpreter was built."""

import sys
import sysconfig

import pytest

from proxy.interpreter import build


@pytest.mark.parametrize(
    ("settings", "prefix", "found"),
    [
        ("'--enable-optimizations' '--with-lto' '--prefix=/usr/local'", "/usr/local", "optimised"),
        ("'--enable-shared' '--prefix=/usr'", "/usr", "distribution"),
        ("'--prefix=/opt/python'", "/opt/python", "plain"),
        (None, "/opt/python", "unknown"),
    ],
)
def test_the_build_is_told_by_the_interpreters_own_settings(
    settings: str | None, prefix: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": settings}.get)
    monkeypatch.setattr(sys, "base_prefix", prefix)
    assert build() == found
