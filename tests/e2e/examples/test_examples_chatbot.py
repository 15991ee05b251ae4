"""The chatbot of docs/examples: its page, its memory, Ctrl-C, and what it says when there is no money left."""

import base64
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.support.processes import Mock

from .conftest import EXAMPLES, POOR, Run, shown

pytestmark = pytest.mark.e2e


def asked(upstream: Mock) -> list[dict[str, str]]:
    """The messages of the last chat that reached the upstream."""
    chats = [entry for entry in upstream.requests(10) if entry["path"].endswith("/chat/completions")]
    messages: list[dict[str, str]] = json.loads(base64.b64decode(chats[-1]["body_base64"]))["messages"]
    return messages


def test_it_prints_what_its_page_shows_and_remembers(run: Run, upstream: Mock) -> None:
    done = run("chatbot", "How long is the road?\nAnd who built it?\n")
    question, text, cost, *rest = done.stdout.replace("you> bot> ", "you> How long is the road?\nbot> ").splitlines()
    assert "\n".join([question, text, cost, "you>"]) + "\n" == shown("chatbot")
    assert rest[-1] == "you> "
    assert [message["content"] for message in asked(upstream)] == [
        "How long is the road?",
        text.removeprefix("bot> "),
        "And who built it?",
    ]


def test_ctrl_c_stops_the_answer_and_not_the_program(environ: dict[str, str], upstream: Mock) -> None:
    before = upstream.stats()["aborted"]
    program = [sys.executable, str(EXAMPLES / "chatbot/chatbot.py")]
    environ["OPENAI_API_KEY"] = "sk-tw-demo-chatbot"
    with subprocess.Popen(
        program, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("How long is the road?\n")
        child.stdin.flush()
        seen = read_until(child.stdout.read, lambda text: re.search(r"bot> \w+ \w+ ", text) is not None)
        child.send_signal(signal.SIGINT)
        seen += read_until(child.stdout.read, lambda text: "(stopped)" in text)
        child.stdin.write("Again?\n")
        child.stdin.close()
        rest = child.stdout.read()
        assert child.wait(10) == 0
    cut = re.search(r"bot> (.*)\n", seen)
    assert cut is not None
    assert "tokens" not in seen
    assert "tokens, $" in rest
    first, partial, second = (message["content"] for message in asked(upstream))
    assert (first, second) == ("How long is the road?", "Again?")
    # What was seen, and at most the word that was about to be printed.
    assert partial.startswith(cut.group(1))
    assert len(partial.split()) <= len(cut.group(1).split()) + 1
    deadline = time.monotonic() + 5
    while upstream.stats()["aborted"] == before:
        assert time.monotonic() < deadline, "the call to the provider went on"
        time.sleep(0.02)


def read_until(read: Callable[[int], str], found: Callable[[str], bool]) -> str:
    text = ""
    while not found(text):
        more = read(1)
        assert more, f"it ended: {text}"
        text += more
    return text


def test_a_spent_budget_is_told(environ: dict[str, str]) -> None:
    program = [sys.executable, str(EXAMPLES / "chatbot/chatbot.py")]
    done = subprocess.run(
        program,
        env={**environ, "OPENAI_API_KEY": POOR},
        input="Hello?\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert "budget" in done.stderr
    assert "bot>" not in done.stdout
