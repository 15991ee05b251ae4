"""The Dockerfile and what is sent to its build, by the rules that a linter for them has and a few of ours."""

import os
import re
import tomllib

import pytest

from tests.e2e.deploy.dockerfile import FILE, ROOT, Stage, ignore_rules, sent, stages, steps

ARGUMENTS, STAGES = stages(FILE.read_text())
TARGETS = ("sidecar", "server")


def inherited(name: str, word: str) -> list[str]:
    """Texts of an instruction in a stage and those below it, the nearest first."""
    found: list[str] = []
    while name in STAGES:
        stage = STAGES[name]
        found += [step.text for step in reversed(stage.all(word))]
        name = stage.base
    return found


def problems(text: str) -> list[str]:
    """What a Dockerfile may not hold, wherever it stands."""
    arguments, found = stages(text)
    told = []
    for step in steps(text):
        if step.word == "ADD":
            told.append("ADD: COPY brings files, and a download has no hash")
        if re.search(r"\w*(?:TOKEN|PASSWORD|SECRET|_KEY)\b", step.text) and step.word in ("ARG", "ENV"):
            told.append(f"{step.word}: a secret would stay in the image")
        if step.word == "RUN" and re.search(r"\b(?:curl|wget|apt-get|sudo|chmod 777)\b", step.text):
            told.append("RUN: build.sh is what builds")
    for base in [stage.base for stage in found.values()] + list(arguments.values()):
        image = base.partition("@")[0]
        if image.endswith(":latest") or ("/" in image and ":" not in image.rpartition("/")[2] and "@" not in base):
            told.append(f"{base}: names no version")
    for stage in found.values():
        for word in ("ENTRYPOINT", "CMD"):
            if any(not step.text.startswith("[") for step in stage.all(word)):
                told.append(f"{word}: the shell's form needs a shell")
        for user in stage.all("USER"):
            if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.text):
                told.append(f"USER {user.text}: kubelet can tell only from a number that it is not root")
    return told


def test_the_file_breaks_no_rule() -> None:
    assert problems(FILE.read_text()) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ADD https://example.com/x /x", "ADD: COPY"),
        ("ENV OPENAI_API_KEY=sk-1", "ENV: a secret"),
        ("ARG PIP_TOKEN", "ARG: a secret"),
        ("RUN apt-get install -y gcc", "RUN: build.sh"),
        ("CMD tollway serve", "CMD: the shell's form"),
        ("USER nonroot", "USER nonroot: "),
        ("USER 0:0", "USER 0:0: "),
        ("FROM example.com/python:latest AS late", "example.com/python:latest: names no version"),
        ("FROM example.com/python AS late", "example.com/python: names no version"),
    ],
)
def test_the_rules_find_what_they_are_for(line: str, told: str) -> None:
    (found,) = problems(FILE.read_text() + line + "\n")
    assert found.startswith(told)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_starts_the_gateway_as_nobody_and_without_a_shell(target: str) -> None:
    assert inherited(target, "USER")[0] == "65532:65532"
    assert inherited(target, "ENTRYPOINT") == ['["/opt/tollway/bin/tollway"]']
    assert inherited(target, "WORKDIR")[0] == "/etc/tollway"
    assert inherited(target, "EXPOSE")[0].split() == ["8080", "9901"]
    assert not inherited(target, "HEALTHCHECK"), "the kubelet probes; an image without a shell has nothing to ask with"
    assert not inherited(target, "VOLUME")
    assert STAGES[target].all("CMD")[0].exec_form[0] == "serve"


def test_only_the_server_listens_beyond_loopback_by_itself() -> None:
    assert STAGES["sidecar"].all("CMD")[0].exec_form == ["serve"]
    assert STAGES["server"].all("CMD")[0].exec_form == ["serve", "--host", "0.0.0.0"]


def test_the_image_sets_no_variable_that_would_overrule_a_file() -> None:
    assert not [text for stage in STAGES.values() for text in map(str, stage.all("ENV")) if "TOLLWAY_" in text]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_its_tree_and_nothing_else(target: str) -> None:
    stage = STAGES[target]
    assert {step.word for step in stage.steps} == {"COPY", "CMD"}
    tree, state = (step.words for step in stage.all("COPY"))
    assert tree == [f"--from={target}-tree", "/opt/tollway", "/opt/tollway"]
    assert state == [f"--from={target}-tree", "--chown=65532:65532", "/opt/tollway/state", "/var/lib/tollway"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_script_is_all_that_runs(target: str) -> None:
    runs = {stage.name: [step.words for step in stage.all("RUN")] for stage in STAGES.values() if stage.all("RUN")}
    assert set(runs) == {"sidecar-tree", "server-tree"}
    ((*_, script, of, folder, python),) = runs[f"{target}-tree"]
    assert (script, of, folder) == ("deploy/image/build.sh", target, "/opt/tollway")
    assert python == "/usr/bin/python${PYTHON}"
    assert os.access(ROOT / script, os.X_OK)


def test_everything_that_is_copied_is_there_and_is_sent() -> None:
    source: Stage = STAGES["source"]
    named = [word for step in source.all("COPY") for word in step.words[:-1]]
    assert "pyproject.toml" in named
    for name in named:
        assert (ROOT / name).exists(), name
        inside = name if (ROOT / name).is_file() else f"{name}/anything"
        assert sent(inside, ignore_rules()), name


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "proxy/.env",
        ".git/config",
        "tests/conftest.py",
        "tollway.yaml",
        "tollway.db",
        "requirements/dev.txt",
        "deploy/compose/.env",
        "proxy/__pycache__/app.cpython-311.pyc",
        "proxy/cli/__pycache__/app.cpython-311.pyc",
    ],
)
def test_what_an_image_must_not_see_is_not_sent(path: str) -> None:
    assert not sent(path, ignore_rules())


def test_the_python_of_the_image_is_one_that_the_project_supports() -> None:
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {ARGUMENTS['PYTHON']}" in supported
    assert ARGUMENTS["BUILD_IMAGE"].startswith(f"python:{ARGUMENTS['PYTHON']}-slim-")


# ---- the locks ----------------------------------------------------------------------------------------------------------


def locked(name: str) -> dict[str, set[str]]:
    """Package to its versions (one for each range of Pythons). Every line is a pin or a hash of one."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        pin = re.fullmatch(r"([a-z0-9-]+)==([^\s;]+)( ; [^\\]+)? \\", line)
        if pin is not None:
            found.setdefault(pin[1], set()).add(pin[2])
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), f"{name}: {line}"
    return found


def needed(extras: tuple[str, ...]) -> set[str]:
    """The packages that the project names for itself and for ``extras``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = project["dependencies"] + [item for extra in extras for item in project["optional-dependencies"][extra]]
    return {re.split(r"[\[<>=; ]", item)[0] for item in named} - {"tollway"}


EXTRAS = {
    "sidecar": ("redis", "otel"),
    "server": tuple("redis otel server postgres semantic bedrock vertex oidc brotli valkey".split()),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_holds_what_its_target_promises_in_the_versions_that_are_tested(target: str) -> None:
    lock, tested = locked(f"deploy/image/{target}.txt"), locked("requirements/dev.txt")
    assert needed(EXTRAS[target]) <= set(lock)
    for name, versions in lock.items():
        assert versions <= tested[name], name
    assert locked("requirements/runtime.txt").items() <= lock.items()
    assert not {"k6", "llmock", "xllamacpp", "onnxruntime"} & set(lock), (
        "nothing for tests, no weights and no engine for them"
    )


def test_the_server_has_all_that_the_sidecar_has() -> None:
    assert locked("deploy/image/sidecar.txt").items() <= locked("deploy/image/server.txt").items()
