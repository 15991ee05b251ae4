"""What the README and the page of security show is what the files and tests have that they speak of."""

import re
from typing import Any

import yaml

from proxy import __version__

from .blocks import ROOT, blocks_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def missing(part: Any, whole: Any, path: str = "") -> list[str]:
    """The paths of ``part`` whose values ``whole`` has not; entries of lists are found by their names."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [said for name, value in part.items() for said in missing(value, whole.get(name), f"{path}.{name}")]
    if isinstance(part, list) and isinstance(whole, list) and all(isinstance(each, dict) for each in part):
        named = {each["name"]: each for each in whole}
        return [said for each in part for said in missing(each, named.get(each["name"]), f"{path}.{each['name']}")]
    return [] if part == whole else [path]


def test_the_sidecar_of_the_readme_is_a_part_of_the_manifest() -> None:
    (block,) = (block for block in blocks_of("README.md") if block.text.startswith("# part of a pod's spec"))
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/sidecar.yaml").read_text())
    (pod,) = (each["spec"]["template"]["spec"] for each in documents if each["kind"] == "Deployment")
    shown = yaml.safe_load(block.text)
    assert missing(shown, pod) == []
    assert missing({"containers": [{"name": "app", "image": "another"}]}, pod) == [".containers.app.image"]
    assert __version__ in block.text


def test_the_readme_has_its_sections_in_their_order() -> None:
    titles = re.findall(r"^## (.+)$", README, re.MULTILINE)
    order = [
        "30 seconds",
        "What you get",
        "What it costs",
        "In a pod",
        "Configuration",
        "Coming from another gateway",
        "Beside others",
        "Limits and non-goals",
        "Security",
        "Licence",
    ]
    assert [title for title in titles if title in order] == order


def test_every_promise_of_the_page_of_security_is_held_by_tests() -> None:
    table = SECURITY.partition("## Promised, and checked")[2].partition("\n## ")[0]
    rows = [line.rsplit("|", 2)[1] for line in table.splitlines() if line.startswith("| ") and "promise |" not in line]
    assert len(rows) > 12
    for row in rows:
        tests = re.findall(r"\]\(\.\./(tests/[^)]+)\)", row)
        assert tests, row
        texts = [(ROOT / test).read_text(encoding="utf-8") for test in tests]
        assert all("def test_" in text or ".TestCase" in text for text in texts), row


def test_the_number_of_dependencies_is_told() -> None:
    project = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = [")[2].partition("\n]")[0]
    told = re.search(r"The core has (\d+) direct dependencies", SECURITY)
    assert told is not None
    assert int(told[1]) == len(re.findall(r"^  \"", project, re.MULTILINE))
