"""Fixtures: write a file, load it, collect what is said."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from proxy.config import ConfigError, Loaded, load

LoadText = Callable[..., Loaded]
Problems = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load_text() -> LoadText:
    """Loads a text as ``tollway.yaml`` (or another suffix) with an environment of its own."""

    def loaded(
        text: str,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
        *,
        suffix: str = ".yaml",
    ) -> Loaded:
        file = Path(f"tollway{suffix}")
        if not file.exists():
            file.touch(0o600)
        file.write_text(text, encoding="utf-8")
        return load(
            str(file),
            {"OPENAI_API_KEY": "sk-from-environment"} if environ is None else environ,
            overrides or {},
            known_providers=("openai",),
        )

    return loaded


@pytest.fixture
def problems(load_text: LoadText) -> Problems:
    """Loads what must fail, and gives the problems as people read them."""

    def found(*args: object, **options: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(*args, **options)
        return [str(problem) for problem in caught.value.problems]

    return found
