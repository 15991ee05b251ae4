"""Runs against a gateway that does what a script says: limits, faults, budgets, judges, and going on after a stop."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from proxy.comparison.asking import Endpoint
from proxy.comparison.dataset import Dataset, read_dataset
from proxy.comparison.gateway import Known, Unusable, look
from proxy.comparison.judging import Bench
from proxy.comparison.matching import Matcher
from proxy.comparison.questions import Asking, questions
from proxy.comparison.results import Results
from proxy.comparison.running import NEVER, Run
from proxy.comparison.spending import Price, Purse, Tariff
from proxy.comparison.summary import graded
from tests.unit.proxy.comparison.scripted import Said, Scripted, scripted

ASKING = Asking(max_tokens=10, stream=False)
PRICE = Tariff({"": Price(1.0, 2.0)})


def endpoint_of(gateway: Scripted) -> closing[Endpoint]:
    return closing(Endpoint(gateway.url, "key", timeout=10))


def prompts(folder: Path, count: int, **fields: object) -> Dataset:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(json.dumps({"id": str(at), "prompt": f"question {at}", **fields}) for at in range(count)))
    return read_dataset(file)


@contextmanager
def ran(
    folder: Path, dataset: Dataset, gateway: Scripted, models: str = "a", *, cap: int | None = None, **options: Any
) -> Iterator[tuple[Run, Results, Purse]]:
    """A run to its end; ``options`` are the run's."""
    names = models.split(",")
    bench = options.get("bench")
    tariffs: dict[str, Tariff | None] = dict.fromkeys([*names, *([bench.model] if bench else [])], PRICE)
    with Results(folder / "results.jsonl") as results, endpoint_of(gateway) as endpoint:
        purse = Purse(cap, results.spent)
        results.begin(dataset.digest, dataset.name)
        run = Run(
            questions(dataset, names, ASKING, tariffs),
            endpoint=endpoint,
            results=results,
            purse=purse,
            tariffs=tariffs,
            **options,
        )
        run.start()
        assert run.wait(60), "the run does not end"
        yield run, results, purse


def test_every_prompt_is_put_to_every_model_once(tmp_path: Path) -> None:
    dataset = prompts(tmp_path, 6)
    with scripted() as gateway, ran(tmp_path, dataset, gateway, "a,b") as (run, results, _):
        asked = sorted((each["model"], each["messages"][0]["content"]) for each in gateway.asked)
        assert asked == sorted((model, f"question {at}") for model in "ab" for at in range(6))
        assert {answer.place for answer in results.answers.values()} == {"p/a", "p/b"}
        assert {answer.cost for answer in results.answers.values()} == {10 * 1 + 5 * 2}
        assert run.progress().done == 12
    with scripted() as again, ran(tmp_path, dataset, again, "a,b,c") as (_, results, _):
        assert {each["model"] for each in again.asked} == {"c"}, "who has answered is not asked again"


def test_a_rate_limit_is_waited_for_and_costs_no_question(tmp_path: Path) -> None:
    def limited(body: dict[str, Any], before: int) -> Said:
        if before % 3 == 2:
            error = {"error": {"code": "rate_limit_exceeded", "message": "slowly"}}
            return Said(status=429, headers={"retry-after-ms": "60"}, body=error)  # type: ignore[dict-item]
        return Said()

    dataset = prompts(tmp_path, 12)
    with scripted(limited) as gateway, ran(tmp_path, dataset, gateway, retries=0) as (_, results, _):
        assert [answer.error for answer in results.answers.values()] == [""] * 12
        assert len(gateway.asked) > 12


def test_no_request_is_made_before_the_time_a_gateway_has_asked_for(tmp_path: Path) -> None:
    clock = [100.0]

    def limited(body: dict[str, Any], before: int) -> Said:
        return Said() if clock[0] >= 150 else Said(status=429, headers={"retry-after": "50"})

    dataset = prompts(tmp_path, 3)
    with scripted(limited) as gateway, Results(tmp_path / "r.jsonl") as results, endpoint_of(gateway) as endpoint:
        run = Run(
            questions(dataset, ["a"], ASKING, {}),
            endpoint=endpoint,
            results=results,
            purse=Purse(None),
            tariffs={},
            concurrency=1,
            clock=lambda: clock[0],
        )
        run.start()
        assert not run.wait(0.3)
        assert (len(gateway.asked), run.progress().waits) == (1, 50.0)
        clock[0] = 150.0
        run.stop()
        assert run.wait(10), "a run that waits can be stopped"


@pytest.mark.parametrize(
    ("said", "error", "asked"),
    [
        (Said(status=400, body={"error": {"code": "invalid_prompt", "message": "no"}}), "invalid_prompt", 1),
        (Said(status=500), "status_500", 2),
        (Said(status=503, headers={"x-should-retry": "false"}), "status_503", 1),
        (Said(body={"error": {"type": "overloaded_error"}}), "overloaded_error", 2),
        (Said(body={"object": "chat.completion", "choices": None}), "no_choice", 2),
        (Said(body={"hello": 1}), "no_choice", 2),
        (Said(headers={"x-tollway-fallbacks": "1"}), "fallback", 1),
    ],
)
def test_what_failed_is_told_by_its_code(tmp_path: Path, said: Said, error: str, asked: int) -> None:
    dataset = prompts(tmp_path, 1)
    with scripted(lambda body, before: said) as gateway, ran(tmp_path, dataset, gateway, retries=1) as (_, results, _):
        assert [answer.error for answer in results.answers.values()] == [error]
        assert len(gateway.asked) == asked


def test_a_model_that_always_fails_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    def half(body: dict[str, Any], before: int) -> Said:
        return Said() if body["model"] == "good" else Said(status=404)

    dataset = prompts(tmp_path, 30)
    with scripted(half) as gateway, ran(tmp_path, dataset, gateway, "bad,good", concurrency=1) as (run, results, _):
        assert list(run.given_up) == ["bad"]
        assert sum(each["model"] == "bad" for each in gateway.asked) == NEVER
        assert sum(not answer.error for answer in results.answers.values()) == 30


def test_a_key_that_is_refused_ends_the_run(tmp_path: Path) -> None:
    dataset = prompts(tmp_path, 30)
    said = Said(status=401, body={"error": {"message": "unknown key"}})
    with scripted(lambda body, before: said) as gateway, ran(tmp_path, dataset, gateway, concurrency=1) as (run, _, _):
        assert run.failure == "the key is refused: unknown key"
        assert len(gateway.asked) == 1


def test_a_disk_that_is_full_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Results.append

    def full(self: Results, line: Any) -> None:
        if len(self.answers) == 3:
            raise OSError(28, "No space left on device")
        append(self, line)

    monkeypatch.setattr(Results, "append", full)
    dataset = prompts(tmp_path, 30)
    with scripted() as gateway, ran(tmp_path, dataset, gateway, concurrency=4) as (run, results, _):
        assert run.failure.endswith("results.jsonl cannot be written any more (No space left on device)")
        assert (len(results.answers), len(gateway.asked) < 10) == (3, True)


def test_what_is_given_up_ends_quietly_when_its_connection_and_file_are_closed(tmp_path: Path) -> None:
    asked, may = Event(), Event()

    def late(body: dict[str, Any], before: int) -> Said:
        asked.set()
        may.wait(20)
        return Said()

    dataset = prompts(tmp_path, 2)
    with scripted(late) as gateway:
        with Results(tmp_path / "results.jsonl") as results, endpoint_of(gateway) as endpoint:
            asking = questions(dataset, ["a"], ASKING, {"a": PRICE})
            run = Run(
                asking, endpoint=endpoint, results=results, purse=Purse(None), tariffs={"a": PRICE}, concurrency=1
            )
            run.start()
            assert asked.wait(20)
            run.give_up()
        may.set()
        assert run.wait(20), "an exception that a thread dies of fails this test, too"
        assert len(gateway.asked) == 1


# ---- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [1, 150, 1000, 2345])
def test_a_budget_is_never_passed_however_many_ask_at_once(tmp_path: Path, cap: int) -> None:
    lots = Random(cap)

    def spending(body: dict[str, Any], before: int) -> Said:
        return Said(usage=None) if before % 7 == 3 else Said(usage=(lots.randint(1, 50), lots.randint(0, 10)))

    dataset = prompts(tmp_path, 60)
    with (
        scripted(spending) as gateway,
        ran(tmp_path, dataset, gateway, "a,b", cap=cap, concurrency=16) as (_, results, purse),
    ):
        bound = max(each.bound for each in questions(dataset, ["a"], ASKING, {"a": PRICE}))
        assert results.spent == purse.spent <= cap
        assert purse.empty
        assert purse.spent > cap - bound, "what is left would not have been enough for another question"
        spent = results.spent
    with scripted() as again, ran(tmp_path, dataset, again, "a,b", cap=cap) as (_, results, _):
        assert spent <= results.spent <= cap, "the budget holds for both runs together"


def test_a_purse_lends_what_others_bring_back() -> None:
    purse = Purse(100)
    assert purse.hold(80)
    waiting: list[bool] = []
    thread = Thread(target=lambda: waiting.append(purse.hold(50)))
    thread.start()
    purse.settle(80, 50)
    thread.join(10)
    assert (waiting, purse.spent, purse.empty) == ([True], 50, False)
    purse.settle(50, 1)
    assert not purse.hold(50)
    assert purse.empty


def test_what_the_gateway_charged_comes_before_our_own_arithmetic(tmp_path: Path) -> None:
    said = Said(headers={"x-tollway-cost-usd": "0.000123"})
    with (
        scripted(lambda body, before: said) as gateway,
        ran(tmp_path, prompts(tmp_path, 1), gateway) as (_, results, _),
    ):
        (answer,) = results.answers.values()
        assert (answer.cost, answer.cost_from) == (123, "charged")


# ---- the judge -------------------------------------------------------------------------------------------------------

JUDGED = {"check": {"judge": "is it friendly?"}}
REFERRED = {"check": {"judge": "does it say the same?", "reference": "hello"}}


def judging(*votes: str) -> Any:
    """The judge says one after the other, then the last again."""

    def script(body: dict[str, Any], before: int) -> Said:
        if body["model"] != "judge":
            return Said(text="ANSWER " + body["messages"][-1]["content"])
        return Said(text=votes[min(before, len(votes) - 1)], usage=(100, 10))

    return script


PASS, FAIL = '{"reason": "r", "verdict": "pass"}', '```json\n{"reason": "r", "verdict": "fail"}\n```'


@pytest.mark.parametrize(
    ("check", "votes", "passed", "asked"),
    [
        (JUDGED, [PASS], True, 1),
        (JUDGED, [FAIL], False, 1),
        (JUDGED, ["I would say it passes.", PASS], True, 2),
        (JUDGED, ["pass"], None, 2),
        (JUDGED, ['{"verdict": "PASS!"}', "[]"], None, 2),
        (JUDGED, ['{"verdict": true}'], None, 2),
        (JUDGED, [""], None, 2),
        (REFERRED, [PASS, PASS], True, 2),
        (REFERRED, [PASS, FAIL, FAIL], False, 3),
        (REFERRED, [PASS, FAIL, "?", PASS], True, 4),
        (REFERRED, [PASS, FAIL, "?", "?"], None, 4),
        (REFERRED, ["?", "?", "?"], None, 3),
    ],
)
def test_votes_and_what_they_come_to(
    tmp_path: Path, check: dict[str, object], votes: list[str], passed: bool | None, asked: int
) -> None:
    bench, matcher = Bench(model="judge"), Matcher()
    dataset = prompts(tmp_path, 1, **check)
    with scripted(judging(*votes)) as gateway, ran(tmp_path, dataset, gateway, bench=bench) as (_, results, _):
        (found,) = graded(questions(dataset, ["a"], ASKING, {}), results, bench, matcher)
        assert found.verdict.passed is passed, found.verdict
        assert sum(each["model"] == "judge" for each in gateway.asked) == asked
        assert results.judged == asked * (100 + 10 * 2), "the judge's cost is counted apart"
        assert results.spent == results.judged + 20
    with scripted(judging(PASS)) as again, ran(tmp_path, dataset, again, bench=bench):
        assert again.asked == [], "votes are kept, and nonsense is not asked for again and again"


def test_a_judge_sees_both_orders_and_an_answer_cannot_end_its_part(tmp_path: Path) -> None:
    bench = Bench(model="judge")
    with (
        scripted(judging(PASS, FAIL, PASS)) as gateway,
        ran(tmp_path, prompts(tmp_path, 1, **REFERRED), gateway, bench=bench),
    ):
        shown = [each["messages"][1]["content"] for each in gateway.asked if each["model"] == "judge"]
        orders = [text.index("REFERENCE ANSWER") < text.index("ANSWER TO GRADE") for text in shown]
        assert orders == [True, False, True]
        marks = {text.split()[1] for text in shown}
        assert len(marks) == 3, "every vote has a mark of its own"
        assert all(text.count(mark) == 8 for text in shown for mark in marks if mark in text)


def test_a_judge_who_cannot_be_asked_grades_nothing_and_is_asked_by_the_next_run(tmp_path: Path) -> None:
    bench = Bench(model="judge")
    dataset = prompts(tmp_path, 2, **JUDGED)

    def silent(body: dict[str, Any], before: int) -> Said:
        return Said() if body["model"] == "a" else Said(status=400)

    with scripted(silent) as gateway, ran(tmp_path, dataset, gateway, bench=bench) as (_, results, _):
        found = graded(questions(dataset, ["a"], ASKING, {}), results, bench, Matcher())
        assert [each.verdict.passed for each in found] == [None, None]
    with scripted(judging(PASS)) as again, ran(tmp_path, dataset, again, bench=bench) as (_, results, _):
        assert [each["model"] for each in again.asked] == ["judge", "judge"]


def test_a_budget_that_ends_before_the_judge_loses_no_answer(tmp_path: Path) -> None:
    bench = Bench(model="judge")
    dataset = prompts(tmp_path, 1, **JUDGED)
    with (
        scripted(judging(PASS)) as gateway,
        ran(tmp_path, dataset, gateway, bench=bench, cap=120) as (_, results, purse),
    ):
        assert (purse.empty, len(results.answers), len(gateway.asked)) == (True, 1, 1)


# ---- looking first ---------------------------------------------------------------------------------------------------


def dry(body: dict[str, Any], before: int) -> Said:
    """A gateway's dry run: 34 tokens of prompt at 2 dollars, output at 8."""
    if body["model"] == "none":
        return Said(status=404, body={"error": {"code": "model_not_found", "message": "no such (request id: x)"}})
    cost = (34 * 2 + body["max_tokens"] * 8) / 1e6
    unknown = body["model"] == "unpriced"
    candidate = {"target": "p/m", "tier": "preview", "expected_cost_usd": None if unknown else cost}
    return Said(
        body={
            "object": "tollway.route",
            "asked": {"prompt_tokens": 34},
            "chosen": "p/m",
            "candidates": [candidate],  # type: ignore[list-item]
        }
    )


def test_prices_follow_from_dry_runs_and_every_unknown_model_is_told() -> None:
    with scripted(dry) as gateway, endpoint_of(gateway) as endpoint:
        known, unknown = look(endpoint, ["m", "none", "unpriced", "none"])
    assert known[0] == Known(model="m", places=("p/m",), tariff=Tariff({"p/m": Price(2.0, 8.0)}), tier="preview")
    assert (known[1].model, known[1].tariff) == ("unpriced", None)
    assert [each.why for each in unknown] == ["no such", "no such"]


def test_a_key_that_may_not_run_dry_costs_one_token_a_model() -> None:
    with scripted() as gateway, endpoint_of(gateway) as endpoint:
        known, _ = look(endpoint, ["m", "n"])
        assert [each.tariff for each in known] == [None, None]
        assert [each["max_tokens"] for each in gateway.asked] == [1, 1]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Said(status=401), "refuses the key"),
        (Said(status=405), "is no gateway"),
        (Said(body={"a": 1}), "is no gateway"),
    ],
)
def test_a_gateway_that_is_none_is_told(said: Said, message: str) -> None:
    with scripted(lambda body, before: said) as gateway, pytest.raises(Unusable, match=message):
        with endpoint_of(gateway) as endpoint:
            look(endpoint, ["m"])


def test_a_gateway_that_is_busy_is_waited_for() -> None:
    waits: list[float] = []
    with scripted(
        lambda body, before: dry(body, 0) if before else Said(status=429, headers={"retry-after": "7"})
    ) as gateway:
        with endpoint_of(gateway) as endpoint:
            known, _ = look(endpoint, ["m"], sleep=waits.append)
    assert (len(known), waits) == (1, [7.0])
