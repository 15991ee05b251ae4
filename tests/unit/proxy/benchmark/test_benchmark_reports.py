"""The outcome of made-up runs as JSON, as a table and as a page."""

import json
import re
import xml.etree.ElementTree as ET

import msgspec
import pytest

from proxy.benchmark import tabular
from proxy.benchmark.document import document
from proxy.benchmark.outcome import Outcome, Run, Settings, outcome
from proxy.benchmark.report import page
from proxy.benchmark.timeline import Timeline

from .timelines import request

VLLM = {
    "date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "request_rate", "burstiness", "max_concurrency",
    "duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput", "request_goodput",
    "output_throughput", "total_token_throughput", "max_output_tokens_per_s", "max_concurrent_requests",
    *(f"{kind}_{metric}_ms" for kind in ("mean", "median", "std", "p50", "p90", "p95", "p99") for metric in ("ttft", "tpot", "itl", "e2el")),
}  # fmt: skip
"""Names in the file that ``vllm bench serve --save-result --percentile-metrics ttft,tpot,itl,e2el --metric-percentiles 50,90,95,99`` writes."""

DETAILS = {"input_lens", "output_lens", "ttfts", "itls", "latencies", "start_times", "queue_times", "errors"}


def settings(**changes: object) -> Settings:
    plain: dict[str, object] = {
        "url": "http://gateway/v1/chat/completions", "baseline": None, "model": "m", "stream": True, "rate": 10.0, "arrivals": "poisson",
        "concurrency": None, "requests": 100, "seconds": None, "warmup": "none", "cooldown": "none", "prompts": "made up",
        "answers": "at most 128 tokens", "seed": 5, "repeat": 1, "objectives": {}, "date": "2026-01-01", "version": "1",
    }  # fmt: skip
    return msgspec.convert({**plain, **changes}, Settings)


def run(count: int = 120, *, first: float = 0.1, side: int = 0, late: float = 0.0) -> list[Timeline]:
    return [
        request(0.1 * at, first=first + 0.0001 * at, late=late, tokens=3, side=side, number=at) for at in range(count)
    ]


def made(*runs: list[Timeline], cpu: float = 0.5, interrupted: bool = False, **changes: object) -> Outcome:
    found = [Run(timelines=each, cpu=cpu, interrupted=interrupted) for each in runs]
    return outcome(settings(repeat=len(runs), **changes), found)


def test_the_fields_are_vllms() -> None:
    found = json.loads(msgspec.json.encode(document(made(run(), objectives={"ttft": 0.105}))))
    assert set(found) == VLLM | {"tollway"}
    assert (found["completed"], found["failed"], found["num_prompts"]) == (120, 0, 120)
    assert found["median_ttft_ms"] == pytest.approx(105.95)
    assert found["p50_ttft_ms"] == found["median_ttft_ms"]
    assert found["mean_itl_ms"] == pytest.approx(10)
    assert found["mean_tpot_ms"] == pytest.approx(10)
    assert found["request_throughput"] == pytest.approx(120 / found["duration"])
    assert found["request_goodput"] == pytest.approx(50 / found["duration"])
    assert found["total_token_throughput"] == pytest.approx((1200 + 360) / found["duration"])
    assert found["request_rate"] == 10.0
    assert found["burstiness"] == 1.0


def test_what_was_not_measured_is_null() -> None:
    plain = [request(first=None, gaps=(), tail=0.5, tokens=4)]
    found = document(made(plain, stream=False, rate=None, concurrency=1))
    assert (found["mean_ttft_ms"], found["p99_tpot_ms"], found["std_itl_ms"], found["request_goodput"]) == (None,) * 4
    assert found["mean_e2el_ms"] == pytest.approx(500)
    assert found["request_rate"] == "inf"


def test_details_are_single_requests_of_the_measured_side() -> None:
    failed = request(30.0, first=None, gaps=(), tail=1.0, error="502")
    both = [*run(5), *run(5, side=1), failed]
    found = document(made(both, baseline="http://direct"), details=True)
    assert set(found) == VLLM | DETAILS | {"tollway"}
    lists = [found[name] for name in DETAILS]
    assert all(isinstance(each, list) and len(each) == 6 for each in lists)
    assert found["output_lens"] == [3, 3, 3, 3, 3, 0]
    assert found["errors"] == [""] * 5 + ["502"]


def test_added_latency_and_repetition() -> None:
    runs = [[*run(first=0.105 + shift), *run(side=1)] for shift in (0.0, 0.002, 0.004)]
    found = made(*runs, baseline="http://direct")
    ttft = found.added["ttft"]
    assert [one.percent for one in ttft] == [50, 95, 99]
    assert ttft[0].value == pytest.approx(0.007, abs=0.001)
    assert 0.004 < ttft[0].low < ttft[0].high < 0.010
    assert found.repetition["median_ttft"].std == pytest.approx(0.002)
    assert found.measured.duration == pytest.approx(sum(one.duration for one in found.runs))
    ours = document(found)["tollway"]
    assert isinstance(ours, dict)
    assert isinstance(ours["runs"], list)
    assert len(ours["runs"]) == 3


def test_runs_follow_each_other_in_time() -> None:
    found = made(run(3), run(3)).timelines
    assert [each.due for each in found] == sorted(each.due for each in found)
    assert found[3].due == pytest.approx(max(each.ended for each in found[:3]))
    assert found[3].ttft == pytest.approx(found[0].ttft)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (made(run(late=0.05)), "it was the bottleneck"),
        (made([*run(150), *(request(20.0 + at, late=0.2, tokens=3) for at in range(9))]), "part of the tail"),
        (made(run(), cpu=12.0), "of a core: times are partly its own"),
        (made([*run(), *(request(20.0 + at, error="dropped") for at in range(2))]), "2 of 122 requests failed"),
        (made(run(40)), "40 answers are too few"),
        (made([request(at, error="no_descriptors") for at in range(3)]), "ulimit -n"),
        (made([request(at / 10) for at in range(120)]), "120 of 120 answers reported no usage"),
    ],
)
def test_warnings(found: Outcome, said: str) -> None:
    assert said in " ".join(found.warnings)
    assert said in tabular.text(found)


def test_nothing_is_warned_of_without_a_reason() -> None:
    assert made(run()).warnings == []


def test_answers_from_a_cache_are_warned_of() -> None:
    timelines = run()
    timelines[0].cached = True
    assert "1 of 120 answers came from the gateway's cache" in made(timelines).warnings[0]


def full() -> Outcome:
    """With everything that a report can hold, and texts that would break it."""
    hostile = request(3.0, error='<script src="//x">\x00&', side=0)
    both = [[*run(), *run(side=1, first=0.09), hostile] for _ in range(2)]
    return made(
        *both, baseline="http://direct/<b>", model='m"</style><img src=x>', objectives={"ttft": 0.105, "e2el": 0.2}
    )


@pytest.mark.parametrize(
    "found",
    [full(), made([]), made(run(1)), made([request(error="cut")]), made(run(1000)), made(run(9), interrupted=True)],
    ids=["full", "nothing", "one", "failed", "many", "interrupted"],
)
def test_the_page_is_well_formed_and_needs_nobody_else(found: Outcome) -> None:
    text = page(found)
    start, _, rest = text.partition("\n")
    assert start == "<!doctype html>"
    root = ET.fromstring(rest)
    assert root.attrib["lang"] == "en"
    names = {node.tag for node in root.iter()}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "a", "form", "base"}
    for node in root.iter():
        assert not {"src", "href", "srcset", "data", "action", "style"} & set(node.attrib), node.tag
        assert not [name for name in node.attrib if name.startswith("on")], node.tag
    style = "".join(node.text or "" for node in root.iter("style"))
    assert not re.search(r"url\(|@import|expression|https?:", style)
    policy = next(node for node in root.iter("meta") if node.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy.get("content", "")
    assert all(
        abs(float(number)) < 5000
        for node in root.iter("path")
        for number in re.findall(r"-?\d+\.?\d*", node.get("d", ""))
    )


def test_the_page_can_be_heard() -> None:
    """Every picture has a name and a description, every table its headings, in order."""
    root = ET.fromstring(page(full()).partition("\n")[2])
    pictures = list(root.iter("svg"))
    assert len(pictures) == 6
    for picture in pictures:
        assert picture.get("role") == "img"
        assert picture.get("aria-label")
        assert picture.findtext("title")
        assert picture.findtext("desc")
    for table in root.iter("table"):
        assert all(head.get("scope") == "col" for head in table.findall("./thead/tr/th"))
        assert all(row.find("th") is not None for row in table.findall("./tbody/tr"))
    assert len(list(root.iter("h1"))) == 1


def test_a_page_with_many_requests_stays_small() -> None:
    found = made(run(20_000))
    assert len(page(found)) < 400_000


def test_the_table() -> None:
    text = tabular.text(full())
    assert "\x00" not in text
    lines = text.splitlines()
    assert any(re.match(r"Requests +240 completed, 2 failed$", line) for line in lines)
    assert any(re.match(r"Time to first token +\d", line) for line in lines)
    assert any("added, ms [95 %]" in line for line in lines)
    assert any(line.startswith("2 runs") for line in lines)
    assert "INTERRUPTED" in tabular.text(made(run(), interrupted=True))
