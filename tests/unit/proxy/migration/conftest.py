"""A text of LiteLLM's, migrated."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.load import read
from proxy.migration import Migration, migrate


@pytest.fixture
def migrated(tmp_path: Path) -> Callable[[str], Migration]:
    def run(text: str) -> Migration:
        file = tmp_path / "config.yaml"
        file.write_text(textwrap.dedent(text))
        return migrate(read(file), file=file, read=read)

    return run
