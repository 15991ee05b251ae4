"""Brings the chart up to date with what it repeats: the configuration's schema, the alert rules, the dashboards, the manifest.

A chart can read no file outside itself, so it holds copies; ``--check`` only says which are stale. Needs the development
environment: ``.venv/bin/python deploy/helm/refresh.py``.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import yaml

from proxy.config.json_schema import json_schema

HELM = Path(__file__).resolve().parent
CHART = HELM / "tollway"
DEPLOY = HELM.parent
SCHEMA = CHART / "values.schema.json"
CENTRAL = DEPLOY / "kubernetes" / "central.yaml"
MONITORING = DEPLOY / "kubernetes" / "central-monitoring.yaml"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
RENDERED = "Rendered from the chart with deploy/helm/examples/kubernetes.yaml by deploy/helm/refresh.py"
HEADS = {
    CENTRAL: "# A central gateway: two pods or more behind a Service. It needs the Secret that docs/kubernetes.md names.\n",
    MONITORING: "# What the Prometheus operator needs to know of the central gateway.\n",
}
OPERATOR = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


def values_schema() -> str:
    """The schema of the chart's values: its own part, with the gateway's configuration under ``config``."""
    own: dict[str, Any] = yaml.safe_load((HELM / "chart.schema.yaml").read_text())
    config: dict[str, Any] = json_schema()
    defs = config.pop("$defs")
    config.pop("$schema")
    whole = {
        "$schema": DRAFT,
        "title": "Values of the Tollway chart",
        "type": "object",
        "additionalProperties": False,
        "properties": own["properties"],
        "$defs": {**own["$defs"], **defs, "Config": config},
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def copies() -> Iterator[tuple[Path, str]]:
    """(file in the chart, what it is to hold) of what lies elsewhere in ``deploy/``."""
    rules = DEPLOY / "prometheus" / "rules.yaml"
    if rules.is_file():
        yield CHART / "files" / "rules.yaml", rules.read_text()
    for board in sorted((DEPLOY / "grafana").glob("*.json")):
        yield CHART / "files" / "dashboards" / board.name, board.read_text()


def manifests() -> Iterator[tuple[Path, str]]:
    """(file, text) of the chart rendered for kubectl, without Helm's own labels; what only the operator knows is apart."""
    values: dict[str, Any] = yaml.safe_load((HELM / "examples" / "kubernetes.yaml").read_text())
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values, name="tollway", namespace="tollway")
    files = [text for name, text in sorted(rendered.items()) if name.endswith(".yaml")]
    texts = [_plain(text) for file in files for text in re.split("^---$", file, flags=re.MULTILINE) if text.strip()]
    for path, head in HEADS.items():
        chosen = [text for text in texts if (yaml.safe_load(text)["kind"] in OPERATOR) == (path == MONITORING)]
        yield path, f"{head}# {RENDERED}.\n" + "\n---\n".join(chosen) + "\n"


def _plain(text: str) -> str:
    helms = ("helm.sh/chart:", "app.kubernetes.io/managed-by:")
    return "\n".join(line for line in text.strip().splitlines() if not line.strip().startswith(helms))


def stale(*, write: bool) -> list[Path]:
    """The files that are not what they should be; with ``write`` they are from then on."""
    found: list[Path] = []

    def look(path: Path, text: str | None) -> None:
        if (path.read_text() if path.is_file() else None) == text:
            return
        found.append(path)
        if write and text is None:
            path.unlink()
        elif write and text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    wanted = dict(copies())
    look(SCHEMA, values_schema())
    for path, text in wanted.items():
        look(path, text)
    for left in sorted((CHART / "files").rglob("*.*")):
        if left not in wanted:
            look(left, None)
    for path, text in manifests():
        look(path, text)
    return found


def main() -> int:
    """Exit code 1 when ``--check`` finds something stale."""
    check = sys.argv[1:] == ["--check"]
    found = stale(write=not check)
    for path in found:
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(DEPLOY.parent)}\n")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
