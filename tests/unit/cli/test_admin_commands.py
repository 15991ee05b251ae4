"""``keys``, ``accounts``, ``credits``, ``usage`` over a real SQLite file in this process: what they do, print and refuse."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main, printed
from proxy.identity.pepper import load_pepper
from proxy.identity.virtual_keys import digest, well_formed
from proxy.storage.database import Database

from .conftest import CONFIG, Run, entry, in_database, told


def fix(result: Any) -> tuple[str, str]:
    """The error and its one ``Fix:`` line."""
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 2, result.stderr
    assert lines[0].startswith("Error: ")
    assert lines[1].startswith("Fix: ")
    return lines[0].removeprefix("Error: "), lines[1].removeprefix("Fix: ")


@pytest.fixture
def acme(run: Run) -> str:
    made = told(run("accounts", "create", "acme", "-o", "json"))
    assert made["name"] == "acme"
    return str(made["id"])


# ---- accounts -------------------------------------------------------------------------------------------------------


def test_an_account_with_everything(run: Run) -> None:
    made = told(
        run(
            *(
                "accounts",
                "create",
                "acme",
                "--limits",
                "rpm=600,tpm=200k,soft=tpm,shadow=rpm+tpm",
                "--limits",
                "rpd=2m",
            ),
            *("--budget", "20/month", "--budget", "2.50/day/soft", "--markup", "20", "--price", "gpt-4o*=3/12.5"),
            *("--included", "5", "--prepaid", "--metadata", "team=x", "--metadata", "cost centre=4=5", "-o", "json"),
        )
    )
    assert made["limits"] == {"rpm": 600, "tpm": 200_000, "rpd": 2_000_000, "soft": ["tpm"], "shadow": ["rpm", "tpm"]}
    assert [(each["usd"], each["per"], each["hard"]) for each in made["budgets"]] == [
        (20, "month", True),
        (2.5, "day", False),
    ]
    plan = made["plan"]
    assert (plan["markup"], plan["included_usd"], plan["prepaid"]) == (20, 5, True)
    assert plan["prices"]["gpt-4o*"]["output"] == 12.5
    assert made["metadata"] == {"team": "x", "cost centre": "4=5"}
    assert told(run("accounts", "show", "acme", "-o", "json")) == made
    assert yaml.safe_load(run("accounts", "show", made["id"], "-o", "yaml").stdout) == made


def test_the_table_of_accounts(run: Run, acme: str) -> None:
    run("accounts", "update", "acme", "--limits", "rpm=600", "--budget", "20/month", "--prepaid")
    heading, row = run("accounts", "list").stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "STATUS", "PAYS", "BUDGETS", "LIMITS", "CREATED"]
    assert row.startswith(f"{acme}  acme  active  in advance  20.00/month  rpm=600")


def test_a_plan_is_changed_part_by_part_and_limits_as_a_whole(run: Run, acme: str) -> None:
    run("accounts", "update", acme, "--markup", "20", "--limits", "rpm=600")
    changed = told(run("accounts", "update", acme, "--included", "3", "--limits", "tpm=5", "-o", "json"))
    assert (changed["plan"]["markup"], changed["plan"]["included_usd"]) == (20, 3)
    assert changed["limits"] == {"tpm": 5}
    cleared = told(
        run("accounts", "update", acme, "--limits", "none", "--budget", "none", "--included", "0", "-o", "json")
    )
    assert (cleared["limits"], cleared["budgets"], cleared["plan"]["included_usd"]) == ({}, [], 0)
    assert told(run("accounts", "update", acme, "--status", "suspended", "-o", "json"))["status"] == "suspended"


def test_nothing_to_change_is_wrong_usage(run: Run, acme: str) -> None:
    assert "Nothing to change" in run("accounts", "update", acme, exits=2).stderr


def test_closing(run: Run, acme: str) -> None:
    assert told(run("accounts", "close", acme, "--dry-run", "-o", "json"))["changed"] is False
    assert told(run("accounts", "show", acme, "-o", "json"))["status"] == "active"
    assert told(run("accounts", "close", acme, "-o", "json"))["status"] == "closed"
    said, _ = fix(run("keys", "create", "k", "-a", acme, "-o", "json", exits=1))
    assert "closed" in said


def test_a_person_is_asked_and_a_script_is_not(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "asks", lambda: True)
    refused = run("accounts", "close", acme, exits=1, input="n\n")
    assert f"Close the account acme ({acme}) for good?" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert told(run("accounts", "show", acme, "-o", "json"))["status"] == "active"
    run("accounts", "close", acme, "--yes")
    assert told(run("accounts", "show", acme, "-o", "json"))["status"] == "closed"


def test_lists_say_when_there_is_more(run: Run) -> None:
    for number in range(4):
        run("accounts", "create", f"account {number}")
    result = run("accounts", "list", "--limit", "3")
    assert len(result.stdout.splitlines()) == 4
    assert result.stderr == "There is more than these 3: --limit 30 shows more of it.\n"
    assert told(run("accounts", "list", "--limit", "3", "-o", "json"))["has_more"] is True
    assert told(run("accounts", "list", "--limit", "4", "-o", "json"))["has_more"] is False
    assert run("accounts", "list", "--limit", "5").stderr == ""


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_as_a_digest(run: Run, acme: str, tmp_path: Path) -> None:
    made = told(run("keys", "create", "app", "-a", "acme", "--models", "gpt-4o*,o1", "--models", "o3", "-o", "json"))
    text = made["key"]
    assert well_formed(text)
    assert made["account"] == acme
    assert made["models"] == ["gpt-4o*", "o1", "o3"]
    for words in (
        ("keys", "list"),
        ("keys", "show", "app"),
        ("keys", "list", "-o", "json"),
        ("keys", "show", "app", "-o", "yaml"),
    ):
        assert text not in run(*words).output
    pepper = load_pepper(tmp_path / "tollway.db.journal" / "pepper", has_keys=True)

    async def look(database: Database) -> None:
        found = await database.key_by_digest(digest(pepper, text.encode()))
        assert found is not None
        assert found.id == made["id"]

    in_database(tmp_path / "tollway.db", look)
    assert text.encode() not in (tmp_path / "tollway.db").read_bytes()


def test_a_key_with_everything(run: Run, acme: str) -> None:
    made = told(
        run(
            *(
                "keys",
                "create",
                "app",
                "-a",
                acme,
                "--endpoints",
                "chat",
                "--providers",
                "openai",
                "--networks",
                "10.0.0.0/8",
            ),
            *(
                "--no-passthrough",
                "--stable",
                "--limits",
                "concurrency=5",
                "--budget",
                "1/total",
                "--max-output-tokens",
                "500",
            ),
            *("--cache", "--no-semantic-cache", "--expires", "2199-01-14", "--metadata", "a=b", "-o", "json"),
        )
    )
    assert (made["endpoints"], made["providers"], made["networks"]) == (["chat"], ["openai"], ["10.0.0.0/8"])
    assert (made["passthrough"], made["stability"], made["max_output_tokens"]) == (False, "stable", 500)
    assert made["expires"] == "2199-01-15T00:00:00Z"
    assert made["cache"] == {"exact": True, "semantic": False}


def test_a_key_is_cached_as_the_configuration_says_unless_an_option_does(run: Run, acme: str) -> None:
    assert told(run("keys", "create", "app", "-a", acme, "-o", "json"))["cache"] == {}
    assert told(run("keys", "create", "never", "-a", acme, "--no-cache", "-o", "json"))["cache"] == {"exact": False}
    shown = told(run("keys", "show", "never", "-o", "json"))
    assert shown["cache"] == {"exact": False}


@pytest.mark.parametrize("output", ["table", "yaml"])
def test_a_secret_is_not_made_where_nobody_would_see_it(run: Run, acme: str, output: str) -> None:
    made = told(run("keys", "create", "app", "-a", acme, "-o", "json"))
    for words in (
        ("keys", "create", "b", "-a", acme),
        ("keys", "rotate", made["id"]),
        ("credits", "voucher", "create", "5"),
    ):
        said, mend = fix(run(*words, "-o", output, exits=1))
        assert "this is no terminal: nothing was made" in said
        assert "--output json" in mend
    assert len(told(run("keys", "list", "-o", "json"))["data"]) == 1
    assert told(run("credits", "voucher", "list", "-o", "json"))["data"] == []


def test_on_a_terminal_the_secret_is_in_the_table(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "on_terminal", lambda: True)
    result = run("keys", "create", "app", "-a", acme)
    name, text = result.stdout.splitlines()[0].split()
    assert name == "key"
    assert well_formed(text)
    assert result.stderr == "Keep the key now: it is not shown again.\n"
    code = run("credits", "voucher", "create", "5").stdout.split()
    assert code[0] == "code"
    assert code[1].startswith("twv-")


def test_rotation_keeps_the_old_key_for_the_overlap(run: Run, acme: str) -> None:
    old = told(run("keys", "create", "app", "-a", acme, "--limits", "rpm=7", "-o", "json"))
    dry = told(run("keys", "rotate", "app", "--overlap", "10m", "--dry-run", "-o", "json"))
    assert dry["would"] == f"POST /admin/v1/keys/{old['id']}/rotate"
    new = told(run("keys", "rotate", "app", "--overlap", "10m", "-o", "json"))
    assert new["key"] != old["key"]
    assert new["limits"] == {"rpm": 7}
    assert told(run("keys", "show", old["id"], "-o", "json"))["status"] == "retiring"
    # The name means the key that is not on its way out.
    assert told(run("keys", "show", "app", "-o", "json"))["id"] == new["id"]


def test_an_overlap_of_nothing_asks(run: Run, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("keys", "create", "app", "-a", acme, "-o", "json")
    monkeypatch.setattr(printed, "asks", lambda: True)
    assert "The old key stops at once." in run("keys", "rotate", "app", "-o", "json", exits=1, input="n\n").stderr
    run("keys", "rotate", "app", "--overlap", "1h", "-o", "json")


def test_revoking(run: Run, acme: str) -> None:
    made = told(run("keys", "create", "app", "-a", acme, "-o", "json"))
    assert told(run("keys", "revoke", "app", "--dry-run", "-o", "json"))["changed"] is False
    assert told(run("keys", "show", made["id"], "-o", "json"))["status"] == "active"
    revoked = run("keys", "revoke", "app", "-o", "json")
    assert told(revoked)["status"] == "revoked"
    assert "works on" not in revoked.stderr


def test_revoking_a_rotated_key_tells_of_the_old_one_that_works_on(run: Run, acme: str) -> None:
    old = told(run("keys", "create", "app", "-a", acme, "-o", "json"))
    run("keys", "create", "other", "-a", acme, "-o", "json")
    run("keys", "rotate", "app", "--overlap", "1h", "-o", "json")
    said = run("keys", "revoke", "app", "-o", "json").stderr
    assert old["id"] in said
    assert said.count("works on until") == 1
    assert "works on" not in run("keys", "revoke", old["id"], "-o", "json").stderr


def test_the_same_idempotency_key_makes_one_key_and_says_so(run: Run, acme: str) -> None:
    words = ("keys", "create", "app", "-a", acme, "--idempotency-key", "once", "-o", "json")
    first, second = told(run(*words)), run(*words)
    assert told(second)["id"] == first["id"]
    assert told(second)["key"] is None
    assert "its text is not shown again" in second.stderr


def test_names_that_two_keys_have_need_the_id(run: Run, acme: str) -> None:
    idents = {told(run("keys", "create", "app", "-a", acme, "-o", "json"))["id"] for _ in range(2)}
    said, mend = fix(run("keys", "revoke", "app", exits=1))
    assert said == "2 keys are named 'app'."
    assert all(ident in mend for ident in idents)


def test_the_text_of_a_key_is_no_name(run: Run) -> None:
    said, mend = fix(run("keys", "revoke", "sk-tw-abcdef", exits=1))
    assert "should not be in a shell's history" in said
    assert "sk-tw-" not in said + mend


# ---- money ----------------------------------------------------------------------------------------------------------


def test_money_in_and_back(run: Run, acme: str) -> None:
    moved = told(run("credits", "add", "acme", "10.5", "--note", "invoice 7", "-o", "json"))
    assert (moved["kind"], moved["usd"], moved["note"]) == ("top_up", "10.50", "invoice 7")
    assert told(run("credits", "refund", acme, "0.000001", "-o", "json"))["usd"] == "0.000001"
    balance = told(run("credits", "balance", acme, "-o", "json"))
    assert (balance["available"], balance["granted"]) == ("10.500001", "10.500001")
    heading, latest, first = run("credits", "history", acme).stdout.splitlines()
    assert heading.split() == ["AT", "KIND", "USD", "ACCOUNT", "REQUEST", "NOTE", "BY", "ID"]
    assert latest.split()[1:3] == ["refund", "0.000001"]
    assert first.split()[1:3] == ["top_up", "10.50"]
    assert [row["kind"] for row in told(run("credits", "history", acme, "--kind", "refund", "-o", "json"))["data"]] == [
        "refund"
    ]


def test_the_same_idempotency_key_moves_money_once(run: Run, acme: str) -> None:
    for _ in range(3):
        run("credits", "add", acme, "5", "--idempotency-key", "invoice-7")
    assert told(run("credits", "balance", acme, "-o", "json"))["balance"] == "5.00"
    said, mend = fix(run("credits", "add", acme, "6", "--idempotency-key", "invoice-7", exits=1))
    assert "Idempotency-Key" in said or "idempotency" in said.lower()
    assert mend
    run("credits", "add", acme, "5")
    assert told(run("credits", "balance", acme, "-o", "json"))["balance"] == "10.00"


def test_the_balance_of_budgets(run: Run) -> None:
    lines = run("credits", "balance", "filed").stdout.splitlines()
    assert lines[0].split() == ["account", "filed"]
    assert lines[-1].split()[:6] == ["month", "yes", "5.00", "0.00", "0.00", "5.00"]


@pytest.mark.parametrize("amount", ["-5", "0", "nan", "1e3", "10,50", "0.0000001", "99999999999", "inf", "ten", "\x00"])
def test_amounts_that_are_none(run: Run, acme: str, amount: str) -> None:
    for words in (("credits", "add", acme), ("credits", "refund", acme), ("credits", "voucher", "create")):
        assert "Invalid value for 'USD'" in run(*words, amount, exits=2).stderr
    assert told(run("credits", "balance", acme, "-o", "json"))["balance"] == "0.00"


def test_a_dry_run_moves_nothing(run: Run, acme: str) -> None:
    assert told(run("credits", "add", acme, "5", "--dry-run", "-o", "json"))["body"] == {"usd": "5.00"}
    assert told(run("credits", "refund", acme, "5", "--dry-run", "-o", "json"))["changed"] is False
    fix(run("credits", "add", "nobody", "5", "--dry-run", exits=1))
    assert told(run("credits", "history", acme, "-o", "json"))["data"] == []


def test_vouchers(run: Run, acme: str) -> None:
    made = told(run("credits", "voucher", "create", "5", "--uses", "2", "--expires", "2199-01-01", "-o", "json"))
    assert (
        told(run("credits", "voucher", "redeem", "acme", made["code"], "--dry-run", "-o", "json"))["changed"] is False
    )
    assert told(run("credits", "voucher", "redeem", "acme", made["code"], "-o", "json"))["usd"] == "5.00"
    fix(run("credits", "voucher", "redeem", "acme", made["code"], exits=1))
    row = run("credits", "voucher", "list").stdout.splitlines()[1].split()
    assert row[:3] == [made["id"], "5.00", "1/2"]
    assert made["code"] not in run("credits", "voucher", "list", "-o", "json").output
    run("credits", "voucher", "revoke", made["id"], "--dry-run")
    assert told(run("credits", "voucher", "revoke", made["id"], "-o", "json"))["revoked"] is not None
    said, _ = fix(run("credits", "voucher", "redeem", "filed", made["code"], exits=1))
    assert said


# ---- usage ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def used(run: Run, database_file: Path) -> None:
    run("credits", "balance", "filed")

    async def record(database: Database) -> None:
        entries = [entry("a"), entry("b", model="o1", key="other"), entry("c", cost=1, charge=2, input_tokens=7)]
        await database.record(entries, [])

    in_database(database_file, record)


@pytest.mark.usefixtures("used")
def test_usage_by_day_and_model(run: Run) -> None:
    heading, *rows = run("usage", "--account", "filed").stdout.splitlines()
    assert heading.split() == ["DAY", "MODEL", "REQUESTS", "INPUT", "CACHED", "OUTPUT", "CHARGE", "COST"]
    assert sorted(row.split()[1:] for row in rows) == [
        ["gpt-4o-mini", "2", "107", "0", "100", "2.500002", "1.250001"],
        ["o1", "1", "100", "0", "50", "2.50", "1.25"],
    ]
    assert told(run("usage", "--by", "key,account", "-o", "json", "--key", "other"))["data"][0]["requests"] == 1
    assert run("usage", "--by", "model", "--limit", "1").stderr.startswith("There is more")


@pytest.mark.usefixtures("used")
def test_usage_tells_of_the_cache_where_it_answered_anything(run: Run, database_file: Path) -> None:
    async def record(database: Database) -> None:
        figures = {
            "saved": 2_500_000,
            "saved_cost": 1_250_000,
            "saved_input": 100,
            "saved_output": 50,
            "upstream_id": "",
        }
        await database.record([entry("d", cache="hit", charge=0, cost=0, **figures)], [])

    in_database(database_file, record)
    heading, row, other = run("usage", "--by", "model").stdout.splitlines()
    assert heading.split()[7:] == ["HITS", "SAVED", "TOKENS", "SAVED", "SAVED", "COST"]
    assert row.split() == ["gpt-4o-mini", "3", "107", "0", "100", "2.500002", "1.250001", "1", "150", "2.50", "1.25"]
    assert other.split()[7:] == ["0", "0", "0.00", "0.00"]
    file = database_file.with_name("export.csv")
    file.write_text("request_id,input_tokens\nup-a,100\nup-b,100\nup-c,7\n")
    compared = run("reconcile", str(file), "-o", "json")
    assert (told(compared)["totals"]["matched"], told(compared)["totals"]["uncompared"]) == (3, 0)


def test_a_plan_has_a_price_for_the_cache(run: Run) -> None:
    made = told(run("accounts", "create", "saver", "--markup", "5", "--cached", "12.5", "-o", "json"))
    assert (made["plan"]["markup"], made["plan"]["cached"]) == (5.0, 12.5)
    assert told(run("accounts", "update", "saver", "--markup", "0", "-o", "json"))["plan"]["cached"] == 12.5
    assert told(run("accounts", "update", "saver", "--cached", "0", "-o", "json"))["plan"]["cached"] == 0
    assert "0<=x<=100" in run("accounts", "update", "saver", "--cached", "101", exits=2).stderr


@pytest.mark.usefixtures("used")
def test_usage_of_a_key(run: Run) -> None:
    heading, row = run("keys", "usage", "app").stdout.splitlines()
    assert heading.split()[0] == "DAY"
    assert row.split()[1] == "2"
    assert run("keys", "usage", "app", "--to", "2020-01-01").stdout.splitlines()[1:] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("usage", "--by", "colour"), "none of day"),
        (("accounts", "create", "x", "--limits", "rpmm=4"), "Did you mean rpm?"),
        (("accounts", "create", "x", "--limits", "rpm"), "not NAME=N"),
        (("accounts", "create", "x", "--limits", "rpm=-4"), "not NAME=N"),
        (("accounts", "create", "x", "--limits", "soft=rpmm"), "Did you mean rpm?"),
        (("accounts", "create", "x", "--budget", "5/year"), "not USD/PER"),
        (("accounts", "create", "x", "--budget", "-5/day"), "must not be negative"),
        (("accounts", "create", "x", "--price", "gpt=5"), "not MODEL=IN/OUT"),
        (("accounts", "create", "x", "--price", "gpt=1.2.3/4"), "not MODEL=IN/OUT"),
        (("accounts", "create", "x", "--metadata", "=5"), "not NAME=TEXT"),
        (("accounts", "create", "x", "--markup", "-101"), "-101"),
        (("accounts", "list", "--limit", "0"), "0"),
        (("keys", "create", "x"), "--account"),
        (("accounts", "list", "--url", "http://x", "--config", "y"), "give one of them"),
    ],
)
def test_wrong_usage(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in run(*words, exits=2).stderr


@pytest.mark.parametrize(
    ("words", "said", "mend"),
    [
        (("accounts", "show", "nobody"), "no account", "tollway accounts list"),
        (("accounts", "show", "a/b"), "no such path", "look at the id"),
        (("accounts", "show", "'; DROP TABLE accounts; --"), "no account", "tollway accounts list"),
        (("keys", "show", "nothing"), "no key", "tollway keys list"),
        (("credits", "voucher", "revoke", "vch_1"), "no voucher", "tollway credits voucher list"),
        (("credits", "refund", "filed", "5", "--request", "zzz"), "no request", "x-tollway-request-id"),
        (("accounts", "create", "filed"), "configuration file", "look at what is there"),
        (("accounts", "update", "filed", "--limits", "rpm=5"), "configuration file", "look at what is there"),
        (("accounts", "create", "x\x1b[31m"), "name", "correct it"),
        (("accounts", "create", ""), "name", "correct it"),
        (("accounts", "create", "x" * 1000), "name", "correct it"),
        (("usage", "--from", "yesterday"), "from", "correct it"),
        (("usage", "--from", "2026-02-30"), "from", "correct it"),
        (("usage", "--from", "2026-02-03", "--to", "2026-02-01"), "to is not after from", "correct it"),
        (("credits", "voucher", "create", "5", "--expires", "2001-01-01", "-o", "json"), "past", "correct it"),
    ],
)
def test_refusals_name_the_fix(run: Run, words: tuple[str, ...], said: str, mend: str) -> None:
    found, how = fix(run(*words, exits=1))
    assert said in found
    assert mend in how
    assert "request id" not in found
    assert "\x1b" not in found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "create", "x", "-a", "filed", "--expires", "2001-01-01"), "past"),
        (("keys", "create", "x", "-a", "filed", "--networks", "everywhere"), "networks[0]"),
        (("keys", "create", "x", "-a", "nobody"), "no account"),
        (("accounts", "create", "x", "--limits", "steady=concurrency"), "concurrency"),
        (("accounts", "create", "x", "--budget", "5/day", "--budget", "6/day"), "second one per day"),
    ],
)
def test_a_dry_run_refuses_what_the_api_would(run: Run, words: tuple[str, ...], said: str) -> None:
    dry, _ = fix(run(*words, "--dry-run", exits=1))
    real, _ = fix(run(*words, "-o", "json", exits=1))
    assert said in dry
    assert dry == real


# ---- the database ---------------------------------------------------------------------------------------------------


def test_no_database_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "tollway.yaml").write_text(CONFIG + "storage: {type: sqlite, path: not-yet.db}\n")
    said, mend = fix(CliRunner().invoke(main, ["keys", "list"]))
    assert "There is no database at" in said
    assert "tollway migrate db" in mend
    assert not (tmp_path / "not-yet.db").exists()


def test_without_storage_there_is_nothing_to_administer(tmp_path: Path) -> None:
    (tmp_path / "tollway.yaml").write_text(CONFIG.partition("accounts:")[0] + "auth: {mode: open}\n")
    for words in (["keys", "list"], ["migrate", "db"]):
        said, mend = fix(CliRunner().invoke(main, words))
        assert "storage: none" in said
        assert "sqlite" in mend


def test_a_damaged_file_is_one_clear_failure(run: Run, database_file: Path) -> None:
    database_file.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    said, mend = fix(run("keys", "list", exits=1))
    assert said
    assert mend


def test_a_configuration_that_does_not_load(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tollway.yaml").write_text("storage: {type: sqlit}\n")
    assert "Fix:" in run("keys", "list", exits=1).stderr


def test_it_works_while_another_process_writes(run: Run, database_file: Path) -> None:
    """A gateway keeps its connection open, and holds the write lock now and then."""

    async def beside(database: Database) -> None:
        await asyncio.to_thread(run, "accounts", "create", "beside")
        assert await database.account_named("beside") is not None

    in_database(database_file, beside)
    lock = sqlite3.connect(database_file, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.5, lock.rollback)
    release.start()
    try:
        run("accounts", "create", "after the lock")
    finally:
        release.join()
        lock.close()


def test_migrating(run: Run, tmp_path: Path, database_file: Path) -> None:
    assert told(run("migrate", "db", "--check", "-o", "json"))["up_to_date"] is True
    assert told(run("migrate", "db", "-o", "json"))["storage"] == "sqlite"
    database_file.unlink()
    said, mend = fix(run("migrate", "db", "--check", exits=1))
    assert "no tables" in said
    assert "tollway migrate db" in mend
    assert not database_file.exists()
    run("migrate", "db")
    run("migrate", "db", "--check")
    with sqlite3.connect(database_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for words in (("migrate", "db", "--check"), ("migrate", "db"), ("keys", "list")):
        said, _ = fix(run(*words, exits=1))
        assert "9999" in said
