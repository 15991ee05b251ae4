"""What becomes of each command and block of the pages: run here, run by a test of its own, or not here, for a reason."""

from .blocks import Command

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "docs/accounts.md": ("tests/unit/cli/test_accounts_page.py",),
    "docs/admin-api.md": ("tests/e2e/admin/test_admin_page.py",),
    "docs/bench.md": ("tests/e2e/load/test_bench_cli.py",),
    "docs/container.md": ("tests/e2e/deploy/test_image_tree.py",),
    "docs/examples/README.md": ("tests/e2e/examples/conftest.py",),
    "docs/examples/agent/README.md": ("tests/e2e/examples/test_examples_agent.py",),
    "docs/examples/ai-sdk/README.md": ("tests/e2e/examples/test_examples_frameworks.py",),
    "docs/examples/chatbot/README.md": ("tests/e2e/examples/test_examples_chatbot.py",),
    "docs/examples/compare/README.md": ("tests/e2e/compare/test_compare.py",),
    "docs/examples/extraction/README.md": ("tests/e2e/examples/test_examples_extraction.py",),
    "docs/examples/langchain/README.md": ("tests/e2e/examples/test_examples_frameworks.py",),
    "docs/kubernetes.md": ("tests/deploy/test_kubernetes_page.py", "tests/e2e/deploy/test_unix_socket.py"),
    "docs/monitoring.md": ("tests/e2e/telemetry/test_metrics_alerts.py",),
    "loadtest/README.md": ("tests/e2e/load/test_k6.py", "tests/e2e/load/test_locust.py"),
}
"""Pages with tests of their own that run their commands; what is here only checks that those commands can be parsed."""

PARTS = {
    "# part of a pod's spec": "tests/docs/test_readme.py",
    "# prometheus.yml": "tests/e2e/telemetry/test_metrics_alerts.py",
}
"""YAML that is not ours, by its first line, and the test that compares or checks it."""

SESSIONS = (
    "README.md",
    "docs/anthropic-clients.md",
    "docs/cache.md",
    "docs/cli.md",
    "docs/configuration.md",
    "docs/migrate-from-litellm.md",
    "docs/migrate-from-openai.md",
    "docs/migrate-from-openrouter.md",
    "docs/mock.md",
    "docs/models.md",
    "docs/native.md",
    "docs/operations.md",
    "docs/quickstart.md",
    "docs/routing.md",
    "docs/semantic-cache.md",
    "docs/tokens.md",
    "docs/translation.md",
)
"""Pages whose commands are run in the order of the page, in a folder of their own, with the configurations that they show."""

BEGUN_WITHOUT_FILE = {
    "README.md",
    "docs/quickstart.md",
    "docs/configuration.md",
    "docs/migrate-from-litellm.md",
    "docs/migrate-from-openai.md",
}
"""Sessions in which the reader has no configuration at first."""

COMPILED = {"docs/kubernetes.md", "docs/writing-a-middleware.md", "docs/writing-a-provider.md"}
"""Pages whose Python is excerpts, without what is around them, or is run by the page's own test: here it is only compiled."""

BEFORE: dict[str, tuple[str, ...]] = {
    "docs/cache.md": ("tollway accounts create acme",),
    "docs/cli.md": (
        "curl -sS http://127.0.0.1:8080/v1/chat/completions -H 'x-request-id: req_5f0c9a1e' -H 'x-tollway-trace: true'"
        ' -H "authorization: Bearer $TOLLWAY_KEY" --json @request.json',
    ),
}
"""What a page takes for granted: the commands that its reader has given before."""

NOT_HERE: dict[str, str] = {
    "deploy/compose/secrets.sh": "makes secrets for the containers",
    "deploy/image/build.sh": "takes minutes; tests/e2e/deploy runs it in a clean folder",
    "docker": "needs a container engine",
    "docker-compose": "needs a container engine",
    "helm": "needs a cluster; tests/deploy renders what it would install",
    "k6": "tests/e2e/load runs every script",
    "kubectl": "needs a cluster; tests/deploy checks what it would apply",
    "locust": "tests/e2e/load runs it",
    "make": "installs an environment, and its tasks are what runs this; that they exist is tested",
    "npm": "installs from the network",
    "pg_dump": "needs the operator's database",
    "pip": "installs from the network",
    "pipx": "installs from the network",
    "podman": "needs a container engine",
    "taskset": "pins what is measured to a core",
    "python -m loadtest.scale": "measures for minutes; tests/e2e/scale runs it shortly",
    "python -m tests.bench.tokens": "measures for a minute, beside packages that are not installed",
    "uv": "installs from the network",
}
"""Beginnings of commands that no session runs, and why."""

PARSED: dict[str, str] = {
    "tollway bench": "takes its time; tests/e2e/load/test_bench_cli.py",
    "tollway compare": "asks models; tests/e2e/compare",
    "tollway doctor --network": "connects to real providers",
    "tollway drill": "plays faults for a while; tests/e2e/drill",
    "tollway mock": "runs until it is stopped; it is the upstream of every session",
    "tollway serve --demo --local": "loads a model; tests/e2e/local",
}
"""Beginnings of commands of ours that are only parsed, and why."""

SHOWN = {"", "text", "diff", "ini", "console"}
"""Languages of what is shown rather than run: output, the difference of two files, a unit of systemd, a tree."""


def reason(command: Command) -> str | None:
    """Why a command is not run here, if it is not."""
    return next((why for start, why in {**NOT_HERE, **PARSED}.items() if command.begins(start)), None)
