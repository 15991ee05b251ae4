"""LangChain and the Vercel AI SDK through the gateway: their pages show what they print."""

import re

import pytest

from .conftest import EXAMPLES, Run, shown

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def settled(text: str) -> str:
    """Without what depends on how many requests came before: one in three goes to the second provider."""
    return re.sub(r"answered by (first after 1|second after 2) tries", "answered", text)


def test_langchain(run: Run) -> None:
    assert settled(run("langchain").stdout) == settled(shown("langchain"))


@pytest.mark.usefixtures("node")
def test_the_ai_sdk(run: Run) -> None:
    assert settled(run("ai-sdk").stdout) == settled(shown("ai-sdk"))


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (EXAMPLES / "ai-sdk/package-lock.json").read_text()
