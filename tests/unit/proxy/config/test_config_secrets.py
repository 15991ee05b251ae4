"""Secrets do not print, and references lead where they say or fail with a name."""

import copy
import json
import pickle
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.secrets import BadReference, References, Secret, decode_secret, encode_secret

CANARY = "canary-5f1e0c7a9d3b-and-more"


class Holder(msgspec.Struct, frozen=True):
    key: Secret


def references(**environ: str) -> References:
    return References(environ, Path())


def test_a_secret_prints_as_its_mask_everywhere() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>10}",
        f"{secret!r}",
        "".join(["{}"]).format(secret),
        repr(Holder(secret)),
    ]
    assert all("canary" not in text for text in shown)
    assert all("***" in text for text in shown)
    assert secret.reveal() == CANARY


def test_a_masked_secret_shows_its_end_only_when_it_is_long() -> None:
    assert Secret(CANARY).masked() == "***more"
    assert Secret("short-secret").masked() == "***"


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("\ud800") == Secret("\ud800")
    assert not Secret("")


def test_a_secret_cannot_be_pickled_and_copies_as_itself() -> None:
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps(secret)
    assert CANARY not in str(caught.value)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_msgspec_decodes_and_masks_it() -> None:
    holder = msgspec.convert({"key": CANARY}, Holder, dec_hook=decode_secret)
    assert holder.key.reveal() == CANARY
    assert json.loads(msgspec.json.encode(holder, enc_hook=encode_secret)) == {"key": "***"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"key": 5}, Holder, dec_hook=decode_secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(holder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x-${A}-${B}-y", "x-one-two-y"),
        ("${NONE:-fallback}", "fallback"),
        ("${NONE:-}", ""),
        ("${EMPTY:-fallback}", "fallback"),
        ("${EMPTY}", ""),
        ("${A:-fallback}", "one"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A costs $5 {A}", "$A costs $5 {A}"),
        ("http://${A}:${PORT:-8080}/v1", "http://one:8080/v1"),
        ("${NONE:-http://127.0.0.1:1/v1}", "http://127.0.0.1:1/v1"),
    ],
)
def test_references_in_a_text(text: str, expected: str) -> None:
    assert references(A="one", B="two", EMPTY="").resolve(text)[0] == expected


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1A}", "${A-B}", "${A:=x}", "a ${ b }"])
def test_a_malformed_reference_is_an_error(text: str) -> None:
    with pytest.raises(BadReference, match="looks like"):
        references(A="one").resolve(text)


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(BadReference, match="environment variable NO_SUCH is not set"):
        references().resolve("x${NO_SUCH}")


@given(st.text())
def test_what_a_variable_holds_is_never_read_again(value: str) -> None:
    assert references(A=value).resolve("${A}") == (value, True)
    assert references(A=value).resolve("<${A}>") == (f"<{value}>", True)


def test_a_value_that_only_came_in_by_reference_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("secret")
    found = references(A=f"file:{tmp_path}/passwd")
    assert found.resolve("${A}")[0] == f"file:{tmp_path}/passwd"
    assert found.files == []


def test_a_file_gives_its_text_without_the_final_line_breaks(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbf two words \r\n\n")
    found = references(DIR=str(tmp_path))
    assert found.resolve(f"file:{file}") == (" two words ", True)
    assert found.resolve("file:${DIR}/key") == (" two words ", True)
    assert found.files == [str(file), str(file)]


def test_a_bad_file_is_named_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge").write_bytes(b"x" * (1024 * 1024 + 1))
    found = references()
    for name, said in (
        ("missing", "does not exist"),
        ("", "not a file"),
        ("binary", "not UTF-8"),
        ("huge", "larger than"),
    ):
        with pytest.raises(BadReference, match=said) as caught:
            found.resolve(f"file:{tmp_path}/{name}")
        assert str(tmp_path) in str(caught.value)
    with pytest.raises(BadReference, match="needs a path"):
        found.resolve("file:")
    with pytest.raises(BadReference, match="needs a path"):
        found.resolve("file:/a\0b")
    assert str(tmp_path / "missing") in found.files
