"""What is checked before any engine starts, and what is said when one does not come up."""

from pathlib import Path

import pytest

from proxy.config import Config
from proxy.config.traffic import Provider
from proxy.inference import launch
from proxy.inference.launch import local_models
from proxy.inference.weights import LocalModelError


class NoKeeper:
    """A supervisor that has ended, or that never has its engine ready."""

    living = False
    closed = 0

    def __init__(self, settings: bytes) -> None:
        self.settings = settings

    def alive(self) -> bool:
        return NoKeeper.living

    def close(self) -> None:
        NoKeeper.closed += 1


@pytest.fixture(autouse=True)
def keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "Keeper", NoKeeper)
    monkeypatch.setattr(launch, "_answers", lambda port: False)
    NoKeeper.closed, NoKeeper.living = 0, False


def config(**options: object) -> Config:
    return Config(providers={"local": Provider(use="local", options=dict(options))})  # type: ignore[arg-type]


def test_an_engine_that_ends(tmp_path: Path) -> None:
    with (
        pytest.raises(LocalModelError, match=r"providers\.local cannot be loaded from .*\.gguf"),
        local_models(config()),
    ):
        pass
    assert NoKeeper.closed == 1


def test_an_engine_that_is_never_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "START", 0.0)
    NoKeeper.living = True
    with pytest.raises(LocalModelError, match="not ready within 0 s"), local_models(config()):
        pass
    assert NoKeeper.closed == 1


@pytest.mark.parametrize("options", [{"context": 1}, {"model": "/none.gguf"}, {"colour": "red"}])
def test_nothing_starts_with_options_that_are_wrong(options: dict[str, object]) -> None:
    with pytest.raises(LocalModelError), local_models(config(**options)):
        pass
    assert NoKeeper.closed == 0


def test_somebody_elses_engine_is_not_started() -> None:
    theirs = Provider(use="local", base_url="http://127.0.0.1:1/v1")
    with local_models(Config(providers={"local": theirs})):
        assert NoKeeper.closed == 0
