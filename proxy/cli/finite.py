"""Numbers on the command line that are some. NaN lies outside no range, and infinity is no amount, rate or time."""

import math

import click


class Finite(click.FloatRange):
    """A float within a range, and nothing but a number."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """What was given. Refuses ``nan`` and ``inf``."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is no number that can be used.", param, ctx)
        return found
