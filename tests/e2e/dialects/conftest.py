"""One gateway for each module, with every account of accounts.py, and clients of it."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.support.processes import KEY, Gateway, Mock, running

from .accounts import ALIKE, DIALECTS, FAULTS, FLAVOURED, accounts, config


@pytest.fixture(scope="module")
def gateway(mock: Mock) -> Iterator[Gateway]:
    """Every account, well and with every fault."""
    with running(config(accounts(mock, ALIKE, DIALECTS, FLAVOURED, faults=FAULTS))) as found:
        yield found


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK without retries of its own."""
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=20) as found:
        yield found


@pytest.fixture(scope="module")
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK without retries of its own."""
    with anthropic.Anthropic(base_url=gateway.origin, api_key=KEY, max_retries=0, timeout=20) as found:
        yield found
