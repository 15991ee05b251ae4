"""The watcher: good files are handed over with what changed, bad ones change nothing and are told once. Nothing here sleeps."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from proxy.config import ConfigError, Loaded, load
from proxy.config.reload import Watcher
from proxy.config.show import Change
from proxy.config.sources import stamp

TEXT = """\
auth: {mode: open}
server: {port: 8080}
providers: {openai: {use: openai, api_key: "file:secret"}}
"""


class Heard:
    """Records what a watcher says."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.errors: list[str] = []
        self.threads: set[int] = set()
        self.now = 0
        self.broken = False

    async def on_change(self, loaded: Loaded, change: Change) -> None:
        if self.broken:
            raise RuntimeError("the chain cannot be built")
        self.changes.append(change)

    def on_error(self, error: ConfigError) -> None:
        self.errors.append(str(error))

    def reload(self) -> Loaded:
        self.threads.add(threading.get_ident())
        return load("tollway.yaml", {}, known_providers=("openai",))

    def watcher(self, **options: object) -> Watcher:
        return Watcher(
            self.reload(),
            reload=self.reload,
            on_change=self.on_change,
            on_error=self.on_error,
            clock=lambda: self.now,
            **options,  # type: ignore[arg-type]
        )


def write(text: str, name: str = "tollway.yaml") -> None:
    Path(name).write_text(text)


def move(name: str, to: str) -> None:
    Path(name).rename(to)


def mount(first: str, second: str) -> None:
    """A ConfigMap volume: two versions, ``..data`` leads to the first, the file leads through ``..data``."""
    for name, word in ((first, "8081"), (second, "8082")):
        Path(name).mkdir()
        Path(name, "tollway.yaml").write_text(TEXT.replace("8080", word))
        os.utime(f"{name}/tollway.yaml", ns=(1, 1))
    Path("tollway.yaml").unlink()
    Path("..data").symlink_to(first)
    Path("tollway.yaml").symlink_to("..data/tollway.yaml")


def flip(to: str) -> None:
    Path("..tmp").symlink_to(to)
    Path("..tmp").rename("..data")


@pytest.fixture
def heard() -> Heard:
    write(TEXT)
    write("sk-one\n", "secret")
    return Heard()


async def test_nothing_changed_nothing_happens(heard: Heard) -> None:
    watcher = heard.watcher()
    assert not await watcher.check_once()
    assert (heard.changes, heard.errors) == ([], [])


async def test_a_changed_file_is_handed_over_with_what_changed(heard: Heard) -> None:
    watcher = heard.watcher()
    write(TEXT.replace("8080", "9090") + "timeouts: {idle: 5s}\nstreaming: {keepalive: 0}\n")
    assert await watcher.check_once()
    assert heard.changes == [Change(hot=("streaming.keepalive", "timeouts.idle"), restart=("server.port",))]
    assert watcher.current.config.server.port == 9090
    assert not await watcher.check_once()


async def test_loading_happens_off_the_loop(heard: Heard) -> None:
    watcher = heard.watcher()
    heard.threads.clear()
    write(TEXT + "timeouts: {idle: 5s}\n")
    assert await watcher.check_once()
    assert heard.threads
    assert threading.get_ident() not in heard.threads


async def test_a_secret_file_counts(heard: Heard) -> None:
    watcher = heard.watcher()
    write("sk-two\n", "secret")
    assert await watcher.check_once()
    assert heard.changes == [Change(hot=("providers.openai.api_key",))]


async def test_a_comment_or_a_touch_is_no_change(heard: Heard) -> None:
    watcher = heard.watcher()
    write("# hello\n" + TEXT)
    os.utime("secret", ns=(1, 1))
    assert not await watcher.check_once()
    assert (heard.changes, heard.errors) == ([], [])


async def test_a_bad_file_changes_nothing_and_is_told_once(heard: Heard) -> None:
    watcher = heard.watcher()
    good = watcher.current
    write(TEXT + "serverr: {}\n")
    for _ in range(3):
        assert not await watcher.check_once()
    assert len(heard.errors) == 1
    assert 'did you mean "server"' in heard.errors[0]
    assert watcher.current is good
    assert watcher.error
    write(TEXT + "# moved\nserverr: {}\n")
    await watcher.check_once()
    assert len(heard.errors) == 2
    write(TEXT)
    assert not await watcher.check_once()
    assert not watcher.error
    assert heard.changes == []


@pytest.mark.parametrize(
    "text", ["", "a: [", "\tx", "server: {port: many}", "providers: {openai: {use: openai, api_key: '${NO_SUCH}'}}"]
)
async def test_every_kind_of_bad_file_keeps_the_last_good_one(heard: Heard, text: str) -> None:
    watcher = heard.watcher()
    write(text)
    assert not await watcher.check_once()
    assert len(heard.errors) == 1
    assert watcher.current.config.auth.mode == "open"


async def test_a_file_that_vanishes_and_returns(heard: Heard) -> None:
    watcher = heard.watcher()
    move("tollway.yaml", "aside")
    assert not await watcher.check_once()
    assert "does not exist" in heard.errors[0]
    move("aside", "tollway.yaml")
    write(TEXT + "timeouts: {idle: 5s}\n")
    assert await watcher.check_once()
    assert watcher.error is None


async def test_a_missing_secret_is_waited_for(heard: Heard) -> None:
    """The file that is missing was no source of the last good configuration; it is watched all the same."""
    watcher = heard.watcher()
    write(TEXT.replace("file:secret", "file:late"))
    assert not await watcher.check_once()
    assert "late does not exist" in heard.errors[0]
    assert not await watcher.check_once()
    write("sk-late", "late")
    assert await watcher.check_once()
    key = watcher.current.config.providers["openai"].api_key
    assert key is not None
    assert key.reveal() == "sk-late"


async def test_the_symlink_flip_of_kubernetes(heard: Heard) -> None:
    """Same path, same size, same times: only where the link leads differs."""
    mount("one", "two")
    watcher = heard.watcher()
    flip("two")
    assert await watcher.check_once()
    assert heard.changes == [Change(restart=("server.port",))]
    assert watcher.current.config.server.port == 8082


async def test_a_change_that_times_do_not_show_is_found_while_they_are_fresh(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = {name: stamp(name) for name in ("tollway.yaml", "secret")}
    found = fixed["secret"]
    assert found is not None
    heard.now = max(found[3], found[4]) + 1
    monkeypatch.setattr("proxy.config.reload.stamp", lambda name: fixed[name])
    watcher = heard.watcher()
    write("sk-two\n", "secret")
    assert await watcher.check_once()
    heard.now += 3_000_000_000
    await watcher.check_once()
    write("sk-six\n", "secret")
    assert not await watcher.check_once()


async def test_a_listener_that_fails_keeps_the_old_configuration(heard: Heard) -> None:
    watcher = heard.watcher()
    old = watcher.current
    heard.broken = True
    write(TEXT + "timeouts: {idle: 5s}\n")
    with pytest.raises(RuntimeError):
        await watcher.check_once()
    assert watcher.current is old
    heard.broken = False
    assert await watcher.reload_now()
    assert watcher.current.config.timeouts.idle == 5.0


async def test_run_polls_every_interval_and_outlives_failures(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            heard.broken = True
            write(TEXT + "timeouts: {idle: 5s}\n")
        elif len(naps) == 2:
            heard.broken = False
            write(TEXT + "timeouts: {idle: 6s}\n")
        elif len(naps) == 3:
            raise asyncio.CancelledError

    watcher = heard.watcher(interval=1.5, sleep=nap)
    with pytest.raises(asyncio.CancelledError):
        await watcher.run()
    assert naps == [1.5, 1.5, 1.5]
    assert watcher.current.config.timeouts.idle == 6.0
    assert [record.getMessage() for record in caplog.records] == ["reloading the configuration failed: RuntimeError"]


async def test_a_certificate_is_a_source(heard: Heard) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path("ca.pem")
    write(TEXT.replace('"file:secret"', "k, ca_file: ca.pem"))
    watcher = heard.watcher()
    trustme.CA().cert_pem.write_to_path("ca.pem")
    assert await watcher.check_once()
    assert heard.changes == [Change(hot=("providers.openai.ca_file",))]
