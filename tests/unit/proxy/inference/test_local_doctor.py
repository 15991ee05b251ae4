"""``tollway doctor`` looks for a local model's engine and weights without loading them."""

from pathlib import Path

from proxy.cli.doctor import local_model
from proxy.config.traffic import Provider


def test_engine_and_weights_are_there() -> None:
    found = local_model("local", Provider(use="local"))
    assert found.status == "ok"
    assert "xllamacpp 20" in found.detail
    assert ".gguf" in found.detail


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    found = local_model("local", Provider(use="local", options={"model": str(tmp_path / "none.gguf")}))
    assert found.status == "failed"
    assert found.detail == f"There is no GGUF file at {tmp_path}/none.gguf"
    assert found.fix == "correct options.model"
