"""Fixtures that several layers share."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running


@pytest.fixture(scope="session")
def mock() -> Iterator[Mock]:
    """One mock upstream for the whole run; tests tell their requests apart by what they send."""
    upstream = Mock()
    try:
        yield upstream
    finally:
        upstream.close()


@pytest.fixture(scope="module")
def gateway(mock: Mock) -> Iterator[Gateway]:
    """A gateway with the usual configuration in front of ``mock``, shared by one module."""
    with running(config_for(mock.url)) as found:
        yield found
