"""The credentials of a request, whatever is in them, to a principal or the right refusal."""

import pytest
from msgspec import structs

from proxy.context import Principal
from proxy.errors import AuthenticationFailed, KeysUnavailable, PermissionDenied, RateLimited
from proxy.identity.callers import CREDENTIALS, LONGEST, Callers
from proxy.identity.failures import FailureLimiter
from proxy.identity.principals import Terms, file_account, file_key
from proxy.identity.virtual_keys import new_key
from proxy.policy.terms import Limits, Plan
from proxy.wire.mac import Mac
from tests.support.clock import FakeClock

from .rows import NOW, PEPPER, Bench, account, failures, key

STORED = new_key()
TYPO = STORED[:-1] + ("a" if STORED[-1] != "a" else "b")
SQL = "' OR 1=1; DROP TABLE keys; --"


class Door:
    """Callers over a file with ``app`` and ``a key with spaces é``, and a database with ``STORED``."""

    def __init__(self, *, limiter: FailureLimiter | None = None, terms: Terms | None = None, **row: object) -> None:
        self.bench = Bench(keys=[key(STORED, **row)])
        self.terms = terms or Terms()
        self.wall = self.bench.wall
        self.callers = Callers(
            [
                ("app-key", file_key("app")),
                ("a key with spaces é", file_key("ops")),
                ("team-key", file_key("teamster", account="team")),
                ("old-key", file_key("old", expires=NOW + 10)),
            ],
            limiter or failures(),
            terms=self.terms,
            stored=self.bench.stored,
            pepper=PEPPER,
            wall=self.bench.wall,
        )

    def ask(self, *presented: str | bytes, client: str = "192.0.2.1") -> Principal:
        return self.callers.identify([one.encode() if isinstance(one, str) else one for one in presented], client)


@pytest.fixture
async def door() -> Door:
    made = Door()
    await made.bench.follow()
    return made


@pytest.mark.parametrize(
    ("presented", "name"),
    [
        (["app-key"], "app"),
        (["a key with spaces é"], "ops"),
        ([STORED], "key_1"),
        (["wrong", STORED], "key_1"),
        ([STORED, "app-key"], "key_1"),
        (["app-key", STORED], "app"),
        (["", "app-key"], "app"),
    ],
)
async def test_the_first_known_key_decides(door: Door, presented: list[str], name: str) -> None:
    assert door.ask(*presented).key == name


BAD: dict[str, list[bytes]] = {
    "nothing": [],
    "empty": [b""],
    "a megabyte": [b"x" * 1024 * 1024],
    "a key and then a megabyte": [STORED.encode() + b"x" * 1024 * 1024],
    "control characters": [b"\x00\x01\x1b[31m\r\n"],
    "a key and a newline": [STORED.encode() + b"\n"],
    "a key and a NUL": [STORED.encode() + b"\0"],
    "SQL": [SQL.encode()],
    "SQL after our prefix": [b"sk-tw-" + SQL.encode()],
    "not UTF-8": [b"\xff\xfe\xfd"],
    "Unicode digits": [b"sk-tw-" + "٣".encode() * 33],
    "the look of a key": [STORED.replace("s", "ѕ", 1).encode()],
    "the wrong case": [STORED.swapcase().encode()],
    "the half of a key": [STORED[:20].encode()],
    "a typo": [TYPO.encode()],
    "one nobody has": [new_key().encode()],
    "a digest": [b"\x01" * 32],
    "a path": [b"../../etc/passwd"],
    "two that are wrong": [b"wrong-1", b"wrong-2"],
    "one too late": [b"wrong"] * CREDENTIALS + [STORED.encode()],
    "thousands": [b"wrong"] * 5_000,
    "the look of a token": [b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
}


@pytest.mark.parametrize("name", BAD)
async def test_everything_else_is_refused_without_an_echo(door: Door, name: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        door.callers.identify(BAD[name], "192.0.2.1")
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    for credential in BAD[name]:
        text = credential.decode("latin-1")
        assert len(text) < 3 or text[:12] not in caught.value.message


async def test_a_typo_is_told(door: Door) -> None:
    for text, told in ((TYPO, True), (STORED[:-3], True), ("sk-tw-", True), (new_key(), False), ("sk-proj-1", False)):
        with pytest.raises(AuthenticationFailed) as caught:
            door.ask(text)
        assert ("mistyped" in caught.value.message) is told


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    real = Mac.digest

    def digest(mac: Mac, credential: bytes) -> bytes:
        counted.append(len(credential))
        return real(mac, credential)

    monkeypatch.setattr(Mac, "digest", digest)
    return counted


async def test_known_and_unknown_take_the_same_path(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """One digest each, of the whole credential: nothing depends on how much of a key is right."""
    counted = counting(monkeypatch)
    for text in (STORED, TYPO, new_key(), "x" * len(STORED)):
        counted.clear()
        try:
            door.ask(text)
        except AuthenticationFailed:
            pass
        assert counted == [len(STORED)]


async def test_what_is_too_long_or_too_many_costs_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = counting(monkeypatch)
    with pytest.raises(AuthenticationFailed):
        door.ask(b"x" * (LONGEST + 1))
    assert counted == []
    with pytest.raises(AuthenticationFailed):
        door.ask(*["wrong"] * 5_000)
    assert len(counted) == CREDENTIALS


def test_a_long_key_of_the_file_works() -> None:
    text = "y" * (LONGEST + 100)
    callers = Callers([(text, file_key("long"))], failures(), terms=Terms())
    assert callers.identify([text.encode()], "a").key == "long"


async def test_guessing_is_bounded_and_good_keys_are_not() -> None:
    door = Door(limiter=failures(per_address=2))
    await door.bench.follow()
    for error in (AuthenticationFailed, AuthenticationFailed, RateLimited):
        with pytest.raises(error):
            door.ask("wrong")
    assert door.ask(STORED).key == "key_1"
    with pytest.raises(AuthenticationFailed):
        door.ask("wrong", client="192.0.2.2")


async def test_a_key_that_ended_is_no_guess() -> None:
    door = Door(limiter=failures(per_address=1), revoked=NOW)
    await door.bench.follow()
    for _ in range(5):
        with pytest.raises(AuthenticationFailed, match="was revoked"):
            door.ask(STORED)


async def test_a_refused_key_does_not_stand_before_a_good_one() -> None:
    door = Door(revoked=NOW)
    await door.bench.follow()
    assert door.ask(STORED, "app-key").key == "app"
    with pytest.raises(AuthenticationFailed, match="was revoked"):
        door.ask("wrong", STORED, "also wrong")


async def test_a_key_of_the_file_expires(door: Door) -> None:
    assert door.ask("old-key").name == "old"
    door.wall.advance(10)
    with pytest.raises(AuthenticationFailed, match="expired at 2027-01-15 08:00:10 UTC"):
        door.ask("old-key")


async def test_a_suspended_account_is_a_403(door: Door) -> None:
    door.bench.rows.put(account(status="suspended"))
    await door.bench.follow()
    with pytest.raises(PermissionDenied):
        door.ask(STORED)


async def test_keys_of_the_file_are_made_once(door: Door) -> None:
    assert door.ask("app-key") is door.ask("app-key")


async def test_a_file_account_with_a_row_follows_it() -> None:
    terms = Terms(accounts={"team": file_account("team", limits=Limits(rpm=5), plan=Plan(prepaid=True))}, ledgered=True)
    door = Door(terms=terms)
    with pytest.raises(KeysUnavailable):
        door.ask("team-key")
    assert door.ask("app-key").key == "app", "who pays nothing in advance needs no database"
    await door.bench.follow()
    limits = {rule.name: rule.limit for rule in door.ask("team-key").rules}
    assert limits == {"rpm": 5, "credit": 0}
    door.bench.rows.put(account("team", granted=900))
    await door.bench.follow()
    assert {rule.name: rule.limit for rule in door.ask("team-key").rules} == {"rpm": 5, "credit": 900}
    door.bench.rows.put(account("team", granted=900, status="closed"))
    await door.bench.follow()
    with pytest.raises(PermissionDenied, match="closed"):
        door.ask("team-key")


async def test_without_the_database_unknown_is_not_wrong(door: Door) -> None:
    door.bench.rows.broken = OSError()
    await door.bench.follow()
    with pytest.raises(KeysUnavailable) as caught:
        door.ask(new_key())
    assert caught.value.status == 503
    assert caught.value.code == "keys_unavailable"
    with pytest.raises(AuthenticationFailed, match="No API key"):
        door.ask()
    assert door.ask(STORED).key == "key_1"
    assert door.ask("wrong", "app-key").key == "app"
    door.bench.clock.advance(301)
    with pytest.raises(KeysUnavailable):
        door.ask(STORED)
    assert door.ask("app-key").key == "app", "the file's keys need no database"


def test_keys_are_kept_as_digests_only() -> None:
    callers = Callers([("app-key", file_key("app"))], failures(), terms=Terms())
    assert "app-key" not in repr(vars(callers))
    assert "app-key" not in repr([structs.asdict(own) for own in callers._file.values()])


def test_without_a_database_the_pepper_is_made_up() -> None:
    one, other = (Callers([("k", file_key("app"))], failures(), terms=Terms()) for _ in range(2))
    assert set(one._file) != set(other._file)


def test_a_clock_of_the_process_bounds_guessing_whatever_the_date_does() -> None:
    clock = FakeClock(0.0)
    callers = Callers([], FailureLimiter(per_address=1, total=100, clock=clock), terms=Terms(), wall=FakeClock(NOW))
    with pytest.raises(AuthenticationFailed):
        callers.identify([b"x"], "a")
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            callers.identify([b"x"], "a")
        assert 0 < int(dict(caught.value.headers)[b"retry-after"]) <= 60
