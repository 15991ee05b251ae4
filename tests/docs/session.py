"""A reader at a terminal: a folder, an environment, the commands of a page one after the other, and a gateway once it is served."""

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import yaml
from click.testing import CliRunner

from proxy.cli import main
from tests.support.processes import ROOT, Mock, Process, free_port

from .blocks import Block, Command
from .configurations import BASE, VARIABLES, completed, is_foreign, is_ours

HERE, UPSTREAM = "127.0.0.1:8080", "http://127.0.0.1:9000"
RUNNER = """
import ast, asyncio, sys
running = eval(compile(sys.stdin.read(), "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {"__name__": "__main__"})
if running is not None:
    asyncio.run(running)
"""
"""Runs a program that may wait at its top level, as those of pages do."""
KEY = re.compile(r"sk-tw-[A-Za-z0-9]{20,}")


class Session:
    """Runs a page. Raises ``AssertionError`` with the command and what it printed where one fails."""

    def __init__(self, folder: Path, mock: Mock, *, with_file: bool) -> None:
        self.folder = folder
        self.mock = mock
        self.port = free_port()
        self.served: Process | None = None
        self.last_key = "sk-tw-nobody"
        self.ran: list[str] = []
        self.environ = {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "NO_COLOR": "1",
            "TOLLWAY_SERVER__HOST": "127.0.0.1",
            "TOLLWAY_SERVER__PORT": str(self.port),
            **{name: VARIABLES[name] for name in ("OPENAI_API_KEY", "TOLLWAY_ADMIN_KEY")},
        }
        (folder / "bin").mkdir()
        (folder / "bin/tollway").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m proxy "$@"\n')
        (folder / "bin/tollway").chmod(0o755)
        for name in ("docs", "loadtest", "deploy", "tests"):
            (folder / name).symlink_to(ROOT / name)
        self._files()
        if with_file:
            self._know()
            self._write(dict(BASE))
        else:
            self.environ["TOLLWAY_PROVIDERS__OPENAI__BASE_URL"] = mock.url

    def _files(self) -> None:
        """What the pages' commands are given to read."""
        target = {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY"}
        foreign = {"model_list": [{"model_name": "gpt-4o", "litellm_params": target}]}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(foreign))
        request = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}
        (self.folder / "request.json").write_text(json.dumps(request))
        (self.folder / "question.txt").write_text("How long is the road?")
        (self.folder / "notes.txt").write_text("The road is long.")
        (self.folder / "batch-key").write_text("sk-tw-batch-key-of-a-file\n")
        pairs = [
            {"a": f"How long is road {n}?", "b": f"What is the length of road {n}?", "same": True} for n in range(5)
        ]
        for name in ("pairs.jsonl", "own.jsonl", "other.jsonl"):
            (self.folder / name).write_text("".join(json.dumps(pair) + "\n" for pair in pairs))

    def show(self, block: Block) -> None:
        """The reader saves a configuration that the page shows."""
        if is_ours(block.text):
            self._know()
            self._write(completed(block.text))
        elif is_foreign(block.text):
            name = block.text.partition("\n")[0].removeprefix("# ")
            (self.folder / name).write_text(block.text)

    def _know(self) -> None:
        """The variables that configurations name. Of the callers' key only programs of others are told, see ``_shell``."""
        self.environ.update({n: v for n, v in VARIABLES.items() if n not in self.environ and n != "TOLLWAY_KEY"})

    def _write(self, config: dict[str, Any]) -> None:
        self.environ.pop("TOLLWAY_PROVIDERS__OPENAI__BASE_URL", None)
        providers = {name: self._at_the_mock(settings) for name, settings in config["providers"].items()}
        text = yaml.safe_dump({**config, "providers": providers}, sort_keys=False)
        (self.folder / "tollway.yaml").write_text(
            text.replace("/run/secrets/batch-key", str(self.folder / "batch-key"))
        )
        (self.folder / "tollway.yaml").chmod(0o600)
        self._stop()

    def _at_the_mock(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The mock stands for every provider."""
        ends = {"openai": "/v1", "groq": "/v1", "mistral": "/v1", "anthropic": "", "gemini": "/v1beta"}
        ends |= {"cohere": "", "bedrock": ""}
        if settings["use"] not in ends:
            return settings
        if settings["use"] == "bedrock":
            settings = {"api_key": "a bearer token of a test", **settings}
        return {**settings, "base_url": self.mock.origin + ends[settings["use"]]}

    def run(self, command: Command) -> None:
        """Runs one command, as pasted but for the port and for what the page leaves out (``…``)."""
        text = command.text.replace(HERE, f"127.0.0.1:{self.port}").replace("sk-tw-…", self.last_key)
        text = text.replace(UPSTREAM, self.mock.origin)
        text = re.sub(r"\b([A-Z_]+)=…", lambda found: f"{found[1]}='{VARIABLES[found[1]]}'", text)
        words = shlex.split(text.replace("\\\n", " "), comments=True)
        self.ran.append(text)
        if words[0] == "export":
            self._export(text)
        elif words[:2] == ["tollway", "serve"]:
            self._serve(words[1:])
        elif words[0] == "tollway" and command.plain:
            self._invoke(words[1:])
        else:
            self._shell(text)

    def program(self, block: Block) -> None:
        """Runs a Python program of the page, its gateway being ours."""
        if self.served is None:
            self._serve(["serve"])
        text = block.text.replace("https://gateway.example.com", f"http://{HERE}").replace(
            HERE, f"127.0.0.1:{self.port}"
        )
        key = self.environ["APP_KEY"]
        done = subprocess.run(
            [sys.executable, "-c", RUNNER],
            input=text.replace("the gateway's key", key),
            cwd=self.folder,
            env={**self.environ, "TOLLWAY_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"
        self.ran.append(block.place)

    def _export(self, text: str) -> None:
        done = subprocess.run(
            ["bash", "-ec", f"{text}\nenv -0"], env=self.environ, capture_output=True, text=True, timeout=10, check=True
        )
        pairs = (pair.partition("=") for pair in done.stdout.split("\0"))
        self.environ.update({name: value for name, found, value in pairs if found})

    def _serve(self, words: list[str]) -> None:
        self._stop()
        self.served = Process(words, self.environ, self.folder)
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return
            assert self.served.child.poll() is None, self.served.log()
            assert time.monotonic() < deadline, self.served.log()
            time.sleep(0.02)

    def _invoke(self, words: list[str]) -> None:
        """In this process: to start a Python for every command would take a minute."""
        if words[0] in ("chat", "cache", "routes") and self.served is None:
            self._serve(["serve"])
        told = None
        if "<" in words:
            told = (self.folder / words[-1]).read_text()
            words = words[: words.index("<")]
        names = {name: None for name in os.environ if name.startswith(("TOLLWAY_", "OPENAI_"))}
        done = CliRunner().invoke(main, words, input=told, env={**names, **self.environ})
        # To find that no threshold fits a handful of pairs is an answer, too.
        codes = (0, 1) if words[:2] == ["cache", "calibrate"] else (0,)
        assert done.exit_code in codes, f"{words}: {done.output}\n{self.served.log() if self.served else ''}"
        self.last_key = (KEY.findall(done.output) or [self.last_key])[-1]

    def _shell(self, text: str) -> None:
        if "curl" in text and self.served is None:
            self._serve(["serve"])
        quick = text.replace("-m timeit", "-m timeit -n 1 -r 1").replace("-n 1 -r 1 -n 1 -r 3", "-n 1 -r 1")
        guarded = f'curl() {{ command curl --max-time 10 "$@"; }}\n{quick}'
        environ = {**self.environ, "TOLLWAY_KEY": self.environ.get("APP_KEY", self.last_key)}
        done = subprocess.run(
            ["bash", "-ec", guarded], cwd=self.folder, env=environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert "HTTP/1.1 5" not in done.stdout, done.stdout

    def _stop(self) -> None:
        if self.served is not None:
            self.served.close()
            self.served = None

    def close(self) -> None:
        """Ends the gateway."""
        self._stop()


def parsed(words: list[str]) -> None:
    """Fails where the command line does not take these words."""
    words = words[: words.index("<")] if "<" in words else words
    root = click.Context(main, info_name="tollway")
    name, command, rest = main.resolve_command(root, words)
    assert command is not None, words
    while isinstance(command, click.Group) and rest:
        inner = click.Context(command, info_name=name)
        name, command, rest = command.resolve_command(inner, rest)
        assert command is not None, words
    with command.make_context(name, list(rest), parent=root):
        pass
