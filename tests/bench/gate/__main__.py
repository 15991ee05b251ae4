"""``python -m tests.bench.gate [--update] [--only CASE] [--all]``: exit status 1 when a request costs over 5 % more than the baseline says."""

import argparse
import sys

from . import baseline, verdict
from .measure import GATED, measure


def main() -> int:
    """Measures, prints, judges."""
    options = argparse.ArgumentParser(prog="tests.bench.gate", description=__doc__)
    options.add_argument("--update", action="store_true", help="write what is measured as the baseline of this Python")
    options.add_argument("--only", action="append", choices=GATED, help="this case alone; may be given again")
    options.add_argument("--all", action="store_true", help="print every count, not only those that grew")
    chosen = options.parse_args()
    if chosen.update and chosen.only:
        options.error("--update takes all cases")
    measured = measure(chosen.only or GATED)
    for note in measured.notes:
        print(f"not counted: {note}")
    if chosen.update:
        baseline.write(measured)
        print(verdict.table(measured, None))
        print(f"written: {baseline.PATH.name} for Python {baseline.version()}")
        return 0
    held = baseline.read().get(baseline.version())
    if held is None:
        print(verdict.table(measured, None))
        print(f"no baseline for Python {baseline.version()}: the counts are printed, and nothing is judged")
        return 0
    if chosen.all:
        print(verdict.table(measured, held))
    if held.build != baseline.build_of(measured):
        print(f"machine instructions are not judged: the baseline is of another build ({held.build})")
    failed = verdict.grown(measured, held)
    if failed:
        print(verdict.reasons(failed, measured, held))
        print(
            f"{len(failed)} counts grew by more than {verdict.ALLOWED:.0%}. Make it cheaper, or, when it is worth its price, "
            "write a new baseline (make bench-check ARGS=--update) and say why in the commit."
        )
        return 1
    better = [change for change in verdict.changes(measured, held) if change.growth < -verdict.ALLOWED]
    if better:
        print(
            f"{len(better)} counts fell by more than {verdict.ALLOWED:.0%}: make bench-check ARGS=--update keeps it so"
        )
    print(f"a request costs what it did: {len(measured.cases)} cases within {verdict.ALLOWED:.0%} of the baseline")
    return 0


if __name__ == "__main__":
    sys.exit(main())
