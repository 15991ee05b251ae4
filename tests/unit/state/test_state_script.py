"""Scripts as they travel, and what their errors mean."""

import hashlib

import pytest

from proxy.state.connection import pack
from proxy.state.link import INSIDE
from proxy.state.script import Script

SOURCE = "return ARGV[1]"


@pytest.mark.parametrize("argument", [b"", b"x", b"\r\n\x00" * 100])
def test_a_call_is_packed_as_hiredis_packs_it(argument: bytes) -> None:
    digest = hashlib.sha1(SOURCE.encode()).hexdigest()
    assert Script(SOURCE).command(argument) == pack(("EVALSHA", digest, "1", "{tollway}", argument))


def test_loading() -> None:
    assert Script(SOURCE).load() == pack(("SCRIPT", "LOAD", SOURCE))


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("LOADING Valkey is loading the dataset in memory", "LOADING"),
        ("ERR Error running script (call to f_c0): @user_script:12: @user_script: 12: -READONLY You can't", "READONLY"),
        ("OOM command not allowed when used memory > 'maxmemory'. script: c0, on @user_script:3.", "OOM"),
        ("ERR unknown command", None),
    ],
)
def test_the_word_of_an_error(message: str, word: str | None) -> None:
    found = INSIDE.search(message)
    assert (found and found[1]) == word
