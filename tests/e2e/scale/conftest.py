"""A folder, cores and a mock upstream for the short forms of ``loadtest.scale``."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.bench.servers import Cores, Server, build, start_upstream


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this module's files."""
    return tmp_path_factory.mktemp("scale")


@pytest.fixture(scope="module")
def cores() -> Cores:
    """None of its own: other tests run beside these."""
    return Cores(None, None)


@pytest.fixture(scope="module")
def upstream(cores: Cores, folder: Path) -> Iterator[Server]:
    """The mock upstream."""
    build()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with start_upstream(cores, folder) as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
