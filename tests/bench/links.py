"""What each link of the chain adds to a request of the whole product, in thousands of instructions and microseconds.

``python -m tests.bench.links [--rounds N] [--count N]``: the first links around the cheapest answer there is, one link more each time.
"""

import argparse
import asyncio

import middleware
from middleware import cache

from .chain import collect_as_served, loop_factory, stub
from .instructions import Instructions
from .product import CASES, Product, Spent, counting, spent_by


async def measure(*, rounds: int, count: int, instructions: Instructions | None) -> dict[str, Spent]:
    """Each link; ``streaming`` is all that is inside the links: relay, provider, transport's seam."""
    product = await Product.made()
    before_cache = middleware.CHAIN.index(cache.link)
    apps = {"harness": stub}
    for index, link in enumerate(middleware.CHAIN[:before_cache]):
        apps[link.__module__.rpartition(".")[2]] = product.bench.prefix(index + 1, stub)
    apps["streaming"] = product.bench.chain()
    apps["cache, a miss"] = product.whole
    case, totals = CASES["miss"], dict.fromkeys(apps, Spent())
    try:
        for turn in range(rounds + 1):
            for name, app in apps.items():
                spent = await spent_by(product.work(case, count, app), count, instructions)
                if turn:
                    totals[name] = spent.least(totals[name])
    finally:
        await product.close()
    found, before = {}, Spent(0, 0)
    for name, total in totals.items():
        found[name] = Spent(total.thousands - before.thousands, total.micros - before.micros)
        before = total
    return found | {"all": before}


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=400, help="requests a round")
    options.add_argument("--rounds", type=int, default=7, help="rounds, of which the least counts")
    chosen = options.parse_args()
    with counting(threads=False) as instructions:
        collect_as_served()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            found = runner.run(measure(rounds=chosen.rounds, count=chosen.count, instructions=instructions))
    for name, spent in found.items():
        print(f"{name:20s} {spent.thousands:8.1f} k instructions {spent.micros:8.2f} us")


if __name__ == "__main__":
    main()
