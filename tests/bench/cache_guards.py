"""What the guards cost: microseconds of a question, ordinary or hostile.

``python -m tests.bench.cache_guards [--json]``. Targets: 60 us for a turn of 30 words; 50 ms for 100,000 hostile characters.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence

from proxy.semantic.guards import features
from proxy.semantic.proof.pairs import built_in

POLITE = (
    "Could you please tell me what the best way to learn the guitar is when I am forty years old, work ten hours a day and live "
    "in a small flat?"
)
PLAIN = (
    "How can I write a function in Python that reads a large CSV file line by line and returns the average of the third column "
    "without loading all of it?"
)
SHORT = "What is the capital of France?"
HOSTILE = (
    '"', "'", "`", "```", "a.", ".", "...x", ' "', "please ", "hello, ", "the of ", "twenty ", "1,", "1,000", "what's ", "(", "(a ", "“ ",
    "«a", "how do i ", "in Python, ", "a\n", "?! ", "?,", "1+", "july 5, 2020 ", "A ", "Ab", "tell me ", "e\u0301", "请问", "bitte, ",
    "difference between a and b ", "if a, ", "thanks, ", "9", "U.S.", "e.g. ", "'a ", "a'b", " ", "\u00a0", "—", "a" * 50 + "-",
)  # fmt: skip
"""Pieces that a careless expression would stumble over, each repeated."""


def best(text: str, *, number: int, rounds: int = 15) -> float:
    """Microseconds of one call, the best of several rounds."""
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(number):
            features(text)
        found.append(time.perf_counter() - begun)
    return min(found) / number * 1e6


def hostile(characters: int) -> float:
    """Milliseconds of the worst text of so many characters."""
    return max(best((piece * characters)[:characters], number=1, rounds=2) for piece in HOSTILE) / 1e3


def measure() -> dict[str, float]:
    """Everything, in microseconds and milliseconds."""
    texts = [text for pair in built_in() for text in (pair.a, pair.b)]
    return {
        "polite_31_words_us": best(POLITE, number=300),
        "plain_30_words_us": best(PLAIN, number=300),
        "short_6_words_us": best(SHORT, number=1000),
        "built_in_mean_us": sum(best(text, number=1, rounds=5) for text in texts) / len(texts),
        "hostile_9k_ms": hostile(9_000),
        "hostile_100k_ms": hostile(100_000),
    }


def main(arguments: Sequence[str]) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cache_guards")
    parser.add_argument("--json", action="store_true")
    figures = measure()
    if parser.parse_args(arguments).json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"  {name:22}{value:10.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
