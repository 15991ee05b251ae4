"""What requests cost when the baseline was last written, by minor version of Python: ``baseline.json``, one function a line."""

import json
import platform
from pathlib import Path

import msgspec

from .measure import Counted, Measured

PATH = Path(__file__).with_name("baseline.json")


class Baseline(msgspec.Struct, frozen=True):
    """``build``: machine, compiler and counter; only the same build runs the same machine instructions for the same work."""

    build: str
    cases: dict[str, dict[str, float]]
    """Each case's counts a request."""

    functions: dict[str, list[tuple[float, float] | None]]
    """Each function's bytecode instructions and calls a request, in the order of ``cases``."""

    def counted(self, case: str) -> Counted | None:
        """One case, as it was measured."""
        if case not in self.cases:
            return None
        at = list(self.cases).index(case)
        return Counted(self.cases[case], {name: row[at] or (0, 0) for name, row in self.functions.items()})


def version() -> str:
    """Of this interpreter, as the file's keys are."""
    return ".".join(platform.python_version_tuple()[:2])


def build_of(measured: Measured) -> str:
    """What machine instructions depend on besides the code."""
    return (
        f"{platform.machine()}, {platform.python_implementation()} by {platform.python_compiler()}, {measured.counter}"
    )


def read(path: Path | None = None) -> dict[str, Baseline]:
    """All versions; none when there is no file."""
    path = path or PATH
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Baseline])


def write(measured: Measured, path: Path | None = None) -> None:
    """Puts this version's baseline in place of what was there; the others stay."""
    path = path or PATH
    kept = read(path)
    kept[version()] = made(measured)
    path.write_text(text_of(kept))


def made(measured: Measured) -> Baseline:
    """What was measured, as it is kept."""
    names = sorted({name for case in measured.cases.values() for name in case.functions})
    rows = {name: [case.functions.get(name) for case in measured.cases.values()] for name in names}
    return Baseline(build_of(measured), {name: case.counts for name, case in measured.cases.items()}, rows)


def text_of(kept: dict[str, Baseline]) -> str:
    """JSON in which a change of one function is a change of one line."""
    versions = []
    for name in sorted(kept):
        one = kept[name]
        cases = [f"   {json.dumps(case)}: {json.dumps(counts)}" for case, counts in one.cases.items()]
        functions = [f"   {json.dumps(function)}: {json.dumps(row)}" for function, row in one.functions.items()]
        parts = (
            f'  "build": {json.dumps(one.build)}',
            '  "cases": {\n' + ",\n".join(cases) + "\n  }",
            '  "functions": {\n' + ",\n".join(functions) + "\n  }",
        )
        versions.append(f" {json.dumps(name)}: {{\n" + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(versions) + "\n}\n"
