"""What the pages say about running it with keys and money is so: the store's user, the form of a key, the extras, the commands."""

import re
import time
import tomllib
from pathlib import Path

import click
import pytest

from proxy.cli import main
from proxy.health.sharing import CHANNEL, READ, WRITE
from proxy.identity.virtual_keys import LENGTH, new_key
from proxy.limits.redis import SCRIPTS, RedisLimitStore
from proxy.ownership.redis import RedisOwners
from proxy.policy.rules import Charge, Method, Reservation, Rule
from proxy.state.link import StateLink
from proxy.state.push import Push
from proxy.state.settings import LinkSettings
from tests.support.rawhttp import eventually
from tests.support.valkey import server

ROOT = Path(__file__).parents[2]
METHODS: tuple[Method, ...] = ("window", "steady", "slots", "money")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def charge(method: Method) -> Charge:
    rule = Rule(
        ident=f"key/k/{method}",
        name=method,
        scope="key",
        limit=1_000,
        unit="requests",
        method=method,
        period=60,
        ledgered=True,
    )
    return Charge(rule, 10, 10, "2126-11" if method == "money" else "")


@pytest.mark.parametrize("engine", ["valkey", "redis"])
async def test_the_stores_user_may_do_all_that_the_gateway_does(engine: str) -> None:
    (line,) = re.findall(r"^ACL SETUSER (.+)$", text("docs/operations.md"), re.MULTILINE)
    with server(engine) as found:
        assert found.ask("ACL", "SETUSER", *line.replace(">PASSWORD", ">secret").split()) == b"+OK\r\n"
        settings = LinkSettings(url=f"redis://tollway:secret@127.0.0.1:{found.port}", timeout=1.0)
        errors: list[str] = []
        heard: list[str] = []
        link = StateLink(settings, scripts=SCRIPTS, on_error=errors.append)
        assert await link.open(), errors
        store, push = RedisLimitStore(link, time.time), Push(settings, link)
        health = Push(settings, link, channel=CHANNEL)
        owners = RedisOwners(link, enforced=lambda: True, wall=time.time)
        try:
            charges = [charge(method) for method in METHODS]
            await store.seed([("key/k/money", "2126-11", 5)])
            held = await store.reserve("0" * 32, charges, 60.0)
            assert isinstance(held, Reservation)
            assert await store.extend(held, [1] * 4) is None
            await store.spend(held, [1] * 4)
            await store.renew([held], 60.0)
            await store.settle(held, [2] * 4)
            assert len(await store.levels([(asked.rule, asked.window) for asked in charges])) == 4
            await owners.open()
            await owners.claim("acc_1", ["file-1"])
            assert [owned.account for owned in await owners.owners(["file-1"]) if owned is not None] == ["acc_1"]
            await owners.forget(["file-1"])
            push.listen(heard.append)
            await eventually(lambda: bool(heard), 3.0)
            await push.publish("keys")
            await eventually(lambda: "keys" in heard, 3.0)
            health.listen(heard.append)
            await eventually(lambda: len(heard) > 2, 3.0)
            await health.publish("opened")
            await eventually(lambda: "opened" in heard, 3.0)
            subjects = ("{tollway}:health:ends", "{tollway}:health:subjects")
            await link.call("EVAL", WRITE, 2, *subjects, "one", 1000, "said", 9)
            assert await link.call("EVAL", READ, 2, *subjects, 9)
        finally:
            await push.close()
            await health.close()
            await store.close()
            await link.close()
        assert errors == []
        # redis-py names itself to the server, which Redis 6.2 counts as administration; it goes on without.
        assert set(re.findall(rb"object\r\n\$\d+\r\n([^\r]+)", found.ask("ACL", "LOG"))) <= {b"client"}


def test_the_scanners_pattern_finds_keys() -> None:
    page = text("docs/accounts.md")
    (pattern,) = re.findall(r"`(\\bsk-tw-[^`]+)`", page)
    key = new_key()
    assert re.findall(pattern, f'{{"key": "{key}"}}, sk-tw-short') == [key]
    assert f"{LENGTH} characters" in page


def test_the_readme_names_every_extra() -> None:
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"]
    (told,) = re.findall(r"^Extras: (.+?)\n\n", text("README.md"), re.MULTILINE | re.DOTALL)
    assert {name for name in extras if f"`{name}`" not in told} == set()


@pytest.mark.parametrize("name", ["docs/accounts.md", "docs/operations.md"])
def test_the_commands_on_the_pages_exist(name: str) -> None:
    named = set(re.findall(r"\btollway ((?:accounts|keys|credits|usage|migrate|reconcile)(?: [a-z]+)?)\b", text(name)))
    assert named
    root = click.Context(main, info_name="tollway")
    for words in map(str.split, named):
        group, command, _ = main.resolve_command(root, words)
        assert command is not None, words
        if isinstance(command, click.Group) and len(words) > 1:
            assert command.get_command(click.Context(command, info_name=group), words[1]) is not None, words


def test_what_proves_a_row_of_the_readme_is_a_test() -> None:
    proofs = re.findall(r"\[proof\]\(([^)]+)\)", text("README.md"))
    assert len(proofs) >= 6
    assert all("def test_" in text(proof) for proof in proofs)
