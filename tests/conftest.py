"""Fixtures that several layers share."""

import gc
from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running


def settle_heap() -> None:
    """Takes what is alive out of the collector's sight: scanning thousands of tests stops the loop for half a second."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Every test is an object, and lives to the end."""
    settle_heap()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """So are the reports of the tests that have run; those with real processes and time limits come after many."""
    if nextitem is not None and nextitem.path.parent != item.path.parent:
        settle_heap()


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
