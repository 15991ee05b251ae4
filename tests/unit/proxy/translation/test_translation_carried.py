"""State inside opaque fields, and tool calls put together."""

from base64 import urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from proxy.translation.calls import Calls, calls_in
from proxy.translation.carried import MARK, private_id, public_id, seal, unseal
from proxy.wire.values import JsonObject

_idents = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda ident: "_tw1_" not in ident
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_what_is_sealed_can_be_unsealed(state: dict[str, str]) -> None:
    given: JsonObject = {**state}
    assert unseal(seal(given)) == given


def test_a_providers_own_value_is_not_ours() -> None:
    assert unseal("EqQBCkYIBxgC") is None
    assert unseal("") is None
    assert seal({}) != ""


@given(st.text(max_size=20))
def test_a_damaged_seal_is_empty(tail: str) -> None:
    assert isinstance(unseal(MARK + tail), dict)
    assert unseal(MARK + "é!") == {}


def test_state_that_is_nested_too_deep_is_no_state() -> None:
    packed = urlsafe_b64encode(b'{"extra":' + b'{"a":' * 300 + b"1" + b"}" * 301).decode()
    assert unseal(MARK + packed) == {}
    assert private_id("call_1_tw1_" + packed) == ("call_1_tw1_" + packed, {})


def test_state_that_no_encoder_writes_is_left_out() -> None:
    deep: JsonObject = {}
    for _ in range(300):
        deep = {"a": deep}
    assert unseal(seal(deep)) == {}
    assert private_id(public_id("call_1", deep, strict=True)) == ("call_1", {})


@given(_idents, st.booleans())
def test_ids_come_back(ident: str, strict: bool) -> None:
    extra: JsonObject = {"google": {"thought_signature": "a+/="}}
    assert private_id(public_id(ident, extra, strict=strict)) == (ident, extra)
    assert private_id(public_id(ident, None, strict=strict)) == (ident, {})
    shown = public_id(ident, extra, strict=True)
    assert shown.isascii()
    assert shown.replace("_", "").replace("-", "").isalnum()


def test_a_plain_id_is_shown_as_it_is() -> None:
    assert public_id("toolu_01", None, strict=True) == "toolu_01"
    assert public_id("functions.f:0", None, strict=False) == "functions.f:0"


@given(st.text(max_size=20))
def test_a_clients_own_id_never_raises(tail: str) -> None:
    assert private_id("a_tw1_" + tail)[0]


def test_a_call_is_complete_when_nothing_can_follow() -> None:
    calls = Calls("r")
    call = calls.take({"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a":{'}})
    assert not call.complete
    call.add("}")
    assert not call.complete
    call.add("} ")
    assert call.complete
    call.add("x")
    assert not call.complete


def test_a_name_that_is_repeated_without_an_id_continues_its_call() -> None:
    calls = Calls("r")
    for arguments in ('{"a":', "1}", ""):
        calls.take({"index": 0, "function": {"name": "f", "arguments": arguments}})
    assert [call.arguments for call in calls.found] == ['{"a":1}']
    calls.take({"index": 0, "function": {"name": "f", "arguments": "{}"}})
    assert len(calls.found) == 2


def test_the_first_name_holds() -> None:
    calls = Calls("r")
    for name in ("f", "g"):
        calls.take({"index": 0, "id": "a", "function": {"name": name}})
    assert [call.name for call in calls.found] == ["f"]


def test_made_ids_never_meet_given_ones() -> None:
    calls = calls_in(
        {"tool_calls": [{"id": name, "function": {"name": "f"}} for name in ("a", "a", "a_1", "", "")]}, "r"
    )
    idents = [calls.ident(call) for call in calls.found]
    assert len(set(idents)) == 5


def test_what_is_no_call_is_no_call() -> None:
    assert calls_in({"tool_calls": "x"}, "r").found == []
    assert calls_in({"tool_calls": ["x", None]}, "r").found == []
