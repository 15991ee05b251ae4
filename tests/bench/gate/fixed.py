"""A fixed run for a tool that counts from outside: ``python -m tests.bench.gate.fixed CASE COUNT``."""

import asyncio
import sys

from ..chain import collect_as_served, loop_factory
from ..product import CASES, Product


async def run(name: str, count: int) -> None:
    """``count`` requests of one case."""
    product = await Product.made()
    try:
        await product.work(CASES[name], count)()
    finally:
        await product.close()


if __name__ == "__main__":
    collect_as_served()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(sys.argv[1], int(sys.argv[2])))
