"""``python -m tests.contract.corpus``: how many exchanges of each provider are read rightly, and what is wrong with the rest."""

from collections import Counter

from .test_corpus import EXCHANGES, judged

right: Counter[str] = Counter()
asked: Counter[str] = Counter()
for exchange in EXCHANGES:
    wrong = judged(exchange)
    asked[exchange.provider] += 1
    right[exchange.provider] += not wrong
    for line in wrong:
        print(f"{exchange.label}: {line}")
for provider in sorted(asked):
    print(f"{provider:12} {right[provider]:4}/{asked[provider]}")
print(f"{'all':12} {right.total():4}/{asked.total()}  {100 * right.total() / asked.total():.1f} %")
