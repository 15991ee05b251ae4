"""Tokenisers beside tiktoken: are their counts the same on a large corpus, how fast, how much memory, is the interpreter let go of?

``python -m tests.bench.tokens [--megabytes N] [--json] [--only NAME]``. Each engine that is installed runs in a process of its own, so
that its memory is its own and one that crashes is told apart. What is not installed is said: pip install splintr-rs rs-bpe …
"""

import argparse
import gzip
import importlib
import json
import multiprocessing
import os
import threading
import time
from array import array
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median, quantiles
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from proxy.tokens.bpe import SHIPPED, VOCABULARIES, VocabularyName

from .token_corpus import corpus

Count = Callable[[str], int]
"""Tokens of a text, in which special tokens are ordinary text."""

SIZES = (1_000, 10_000, 100_000)
"""Characters of the texts that are timed: English prose that the engine has not seen."""

TICK = 0.001
"""Seconds between two turns of the thread whose lateness is measured while another one counts."""

T = TypeVar("T")

PAGE = os.sysconf("SC_PAGE_SIZE")


class Result(Struct, kw_only=True):
    """One engine. Times in microseconds of CPU, memory in MB of what the process had before, lateness in milliseconds."""

    engine: str
    version: str
    problem: str = ""
    load_seconds: float = 0.0
    resident: float = 0.0
    grown: float = 0.0
    """Memory that it keeps after the corpus, beyond ``resident``: what it remembers of texts."""
    microseconds: dict[int, float] = {}
    late_p50: float = 0.0
    late_p99: float = 0.0
    texts: int = 0
    differ: dict[str, dict[str, int]] = {}
    """By vocabulary, then by kind of text: texts whose count is another than tiktoken's."""


# ---- the engines ----------------------------------------------------------------------------------------------------


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _ranks(name: VocabularyName) -> bytes:
    """The vocabulary in tiktoken's format."""
    return gzip.decompress((SHIPPED.directory / f"{name}.tiktoken.gz").read_bytes())


def _tiktoken(name: VocabularyName) -> Count:
    encode = SHIPPED.encoding(name).encode_ordinary
    return lambda text: len(encode(text))


def _splintr(name: VocabularyName) -> Count:
    engine = _module("splintr").Tokenizer.from_bytes(_ranks(name), VOCABULARIES[name].pattern)
    return lambda text: len(engine.encode_ordinary(text))


def _splintr_own(name: VocabularyName) -> Count:
    engine = _module("splintr").Tokenizer.from_pretrained(name)
    return lambda text: len(engine.encode_ordinary(text))


def _bpe_openai(name: VocabularyName) -> Count:
    engine = _module("bpe_openai").get_encoding(name)
    return lambda text: len(engine.encode_ordinary(text))


def _rs_bpe(name: VocabularyName) -> Count:
    engine = getattr(_module("rs_bpe").openai, name)()
    return lambda text: int(engine.count(text))


def _kitoken(name: VocabularyName) -> Count:
    engine = _module("kitoken").Kitoken.from_tiktoken(_ranks(name))
    return lambda text: len(engine.encode(text))


def _toktok(name: VocabularyName) -> Count:
    batch_count = _module("toktok").batch_count
    return lambda text: int(batch_count((text,), name, 1)[0])


def _quicktok(name: VocabularyName) -> Count:
    engine = _module("quicktok").get_encoding(name)
    return lambda text: int(engine.count(text))


def _riptoken(name: VocabularyName) -> Count:
    lines = (line.split() for line in _ranks(name).splitlines())
    ranks = {b64decode(word): int(rank) for word, rank in lines}
    vocabulary = VOCABULARIES[name]
    engine = _module("riptoken").CoreBPE(ranks, vocabulary.special_tokens, vocabulary.pattern)
    return lambda text: len(engine.encode_ordinary(text))


ENGINES: dict[str, tuple[str, Callable[[VocabularyName], Count]]] = {
    "tiktoken": ("tiktoken", _tiktoken),
    "splintr, tiktoken's pattern": ("splintr-rs", _splintr),
    "splintr, its own": ("splintr-rs", _splintr_own),
    "toktok": ("toktok-rs", _toktok),
    "quicktok": ("quicktok-v1", _quicktok),
    "rs-bpe": ("rs-bpe", _rs_bpe),
    "riptoken": ("riptoken", _riptoken),
    "bpe-openai": ("bpe-openai", _bpe_openai),
    "kitoken": ("kitoken", _kitoken),
}
"""Name: distribution and loader. Others of the registry cannot be asked offline: they fetch their ranks, or read other formats."""


# ---- what is measured -----------------------------------------------------------------------------------------------


def counts(count: Count, texts: Iterable[str]) -> "array[int]":
    """Tokens of each text; -1 where the engine raises, a panic of its native code included."""
    found = array("l")
    for text in texts:
        try:
            found.append(count(text))
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            found.append(-1)
    return found


def differing(kinds: Sequence[str], expected: Sequence[int], found: Sequence[int]) -> dict[str, int]:
    """Texts by kind whose counts differ."""
    pairs = zip(kinds, expected, found, strict=True)
    return dict(Counter(kind for kind, one, other in pairs if one != other).most_common())


def prose(size: int, number: int) -> list[str]:
    """``number`` texts of ``size`` characters, each a different part of what Python's own help says."""
    whole = "".join(topics.values())
    step = (len(whole) - size) // number
    return [whole[start : start + size] for start in range(0, step * number, step)]


def timed(count: Count, size: int, *, number: int = 40) -> float:
    """Microseconds of CPU for a text of ``size`` characters that was not seen before: the median."""
    spent = []
    for text in prose(size, number):
        began = time.thread_time_ns()
        count(text)
        spent.append((time.thread_time_ns() - began) / 1000)
    return median(spent)


def lateness(count: Count, *, seconds: float = 2.0) -> list[float]:
    """Milliseconds by which a thread that wants to run every millisecond is late while another one counts 100 kB at a time."""
    ended = threading.Event()
    texts = prose(100_000, 20)

    def work() -> None:
        while not ended.is_set():
            for text in texts:
                count(text)
                if ended.is_set():
                    return

    thread = threading.Thread(target=work)
    thread.start()
    late, until = [], time.perf_counter() + seconds
    while (now := time.perf_counter()) < until:
        time.sleep(TICK)
        late.append((time.perf_counter() - now - TICK) * 1000)
    ended.set()
    thread.join()
    return late


def resident() -> float:
    """Megabytes of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6


def judged(name: str, texts: Sequence[tuple[str, str]], expected: Mapping[VocabularyName, Sequence[int]]) -> Result:
    """All about one engine. Runs in a process of its own, forked from one that has loaded none."""
    distribution, load = ENGINES[name]
    try:
        found = Result(engine=name, version=version(distribution))
    except PackageNotFoundError:
        return Result(engine=name, version="", problem=f"not installed: pip install {distribution}")
    try:
        before, began = resident(), time.perf_counter()
        count = load("o200k_base")
        count("loaded with the first word, if not before")
        found.load_seconds, found.resident = time.perf_counter() - began, resident() - before
        found.microseconds = {length: timed(count, length) for length in SIZES}
        late = lateness(count)
        found.late_p50, found.late_p99 = median(late), quantiles(late, n=100)[98]
        before = resident()
        for vocabulary, right in expected.items():
            count = load(vocabulary) if vocabulary != "o200k_base" else count
            given = counts(count, (text[:1] + text[1:] for _, text in texts))  # its UTF-8 would stay with a text
            found.differ[vocabulary] = differing([kind for kind, _ in texts], right, given)
            found.grown = found.grown or resident() - before
        found.texts = len(texts)
    except Exception as error:  # noqa: BLE001 - an engine may fail in any way, and that is a result
        found.problem = f"{type(error).__name__}: {error}"[:200]
    return found


def apart(work: Callable[..., T], *arguments: object) -> T | None:
    """What ``work`` gives in a forked process; ``None`` if that process died."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool:
            return None


def expectation(name: VocabularyName, texts: Sequence[tuple[str, str]]) -> "array[int]":
    """tiktoken's counts of the corpus."""
    return counts(_tiktoken(name), (text for _, text in texts))


def measure(size: int, engines: Iterable[str] = ENGINES) -> list[Result]:
    """Every engine on a corpus of ``size`` bytes, one after the other."""
    texts = list(corpus(size))
    expected = {name: apart(expectation, name, texts) for name in VOCABULARIES}
    found = []
    for name in engines:
        result = apart(judged, name, texts, expected)
        found.append(result or Result(engine=name, version="", problem="its process crashed"))
    return found


def table(results: Sequence[Result]) -> str:
    """The results as a table in Markdown."""
    rows = [
        "| engine | texts that differ, o200k / cl100k | 1 kB | 10 kB | 100 kB | load | memory | kept after the corpus | another thread is late, p50 / p99 |"
    ]
    rows.append("|---" * 9 + "|")
    for result in results:
        if result.problem:
            rows.append(f"| {result.engine} {result.version} | {result.problem} |" + " |" * 7)
            continue
        differ = " / ".join(f"{sum(kinds.values()):,}" for kinds in result.differ.values())
        times = " | ".join(f"{result.microseconds[length]:,.0f} µs" for length in SIZES)
        rows.append(
            f"| {result.engine} {result.version} | {differ} of {result.texts:,} | {times} | {result.load_seconds:.2f} s | "
            f"{result.resident:.0f} MB | {result.grown:+.0f} MB | {result.late_p50:.2f} / {result.late_p99:.2f} ms |"
        )
    for result in results:
        rows += [f"\n{result.engine}, {name}: {kinds}" for name, kinds in result.differ.items() if kinds]
    return "\n".join(rows)


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=float, default=50, help="size of the corpus")
    options.add_argument("--json", action="store_true", help="one JSON array")
    options.add_argument("--only", action="append", choices=ENGINES, help="an engine; may be given again")
    chosen = options.parse_args()
    results = measure(int(chosen.megabytes * 1e6), chosen.only or ENGINES)
    print(json.dumps(msgspec.to_builtins(results, str_keys=True)) if chosen.json else table(results))


if __name__ == "__main__":
    main()
