"""What the operator has to know of a migration: one entry for every key that did not simply arrive."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ..config.problems import Path, dotted

Kind = Literal["not_carried", "changed", "needless", "secret"]

TITLES: dict[Kind, str] = {
    "not_carried": "Not carried over",
    "changed": "Carried over with another meaning",
    "needless": "Needless here",
    "secret": "Secrets that stand in the file",
}
"""Kind to its heading, the most urgent first."""


class Finding(Struct, frozen=True, kw_only=True):
    """``path`` and ``line`` in LiteLLM's file ``where``; ``why`` and ``instead`` are sentences. Never a value."""

    kind: Kind
    path: Path
    where: str
    line: int | None
    why: str
    instead: str = ""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {dotted(self.path)}: {self.why}" + (f" Instead: {self.instead}" if self.instead else "")


def report_text(findings: Sequence[Finding], *, carried: int) -> str:
    """The report for people; ``carried``: keys that arrived, with or without a remark."""
    parts = []
    for kind, title in TITLES.items():
        found = [str(finding) for finding in findings if finding.kind == kind]
        if found:
            parts.append("\n".join([f"{title} ({len(found)}):", *(f"  {line}" for line in found)]))
    lost = sum(finding.kind == "not_carried" for finding in findings)
    parts.append(f"{carried} keys carried over, {lost} entries not.")
    return "\n\n".join(parts)


def report_rows(findings: Sequence[Finding]) -> list[dict[str, str | int | None]]:
    """The report for programs."""
    return [
        {
            "kind": finding.kind,
            "path": dotted(finding.path),
            "file": finding.where,
            "line": finding.line,
            "why": finding.why,
            "instead": finding.instead,
        }
        for finding in findings
    ]
