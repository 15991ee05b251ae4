"""The response guard: whatever is sent into it, one valid answer comes out, or an error does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.context import Attempt, Limits, Message, RequestContext, Target
from proxy.errors import UpstreamInvalid
from proxy.policy.faults import Fault
from proxy.policy.targets import Candidate, Plan, Route
from proxy.relay.announcing import RelaySettings, own_headers
from proxy.relay.guard import ResponseGuard
from proxy.wire.answered import Entity
from proxy.wire.headers import check_response

BODILESS = (204, 205, 304)


class Wire:
    """What reached the server."""

    def __init__(self, method: str = "POST") -> None:
        self.sent: list[Message] = []
        self.ctx = RequestContext(request_id="r", method=method)
        self.guard = ResponseGuard(self._send, self.ctx, method)

    async def _send(self, message: Message) -> None:
        self.sent.append({**message})

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], *bodies: bytes) -> None:
        await self.guard({"type": "http.response.start", "status": status, "headers": list(headers)})
        for index, body in enumerate(bodies):
            more = index < len(bodies) - 1
            await self.guard({"type": "http.response.body", "body": body, "more_body": more})


def check(wire: Wire, *, whole: bool) -> None:
    """What is on the wire is a valid answer, or a valid beginning of one."""
    if not wire.sent:
        assert not wire.ctx.response_started
        return
    start, *bodies = wire.sent
    assert wire.ctx.response_started
    assert start["type"] == "http.response.start"
    assert 200 <= start["status"] <= 599
    assert [message["type"] for message in bodies] == ["http.response.body"] * len(bodies)
    assert [message["more_body"] for message in bodies[:-1]] == [True] * (len(bodies) - 1)
    size = sum(len(message["body"]) for message in bodies)
    lengths = {value for name, value in start["headers"] if name == b"content-length"}
    assert len(lengths) <= 1
    if start["status"] in BODILESS or wire.ctx.method == "HEAD":
        assert size == 0
    elif lengths:
        declared = int(lengths.pop())
        assert size <= declared
        if bodies and not bodies[-1]["more_body"]:
            assert size == declared
    if whole:
        assert bodies
        assert not bodies[-1]["more_body"]
        assert wire.ctx.complete


names = st.sampled_from([b"content-length", b"content-type", b"x-a", b"X-Upper", b"a b", b"", b"x\n", b"set-cookie"])
values = st.one_of(
    st.sampled_from([b"text/event-stream", b"application/json", b"1", b"5", b"10", b"-1", b"+5", b"5, 5", b"a\r\nb"]),
    st.binary(max_size=6),
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["POST", "GET", "HEAD"]),
    status=st.one_of(st.integers(-1, 1100), st.sampled_from([200, 204, 205, 304, 404, 500, 0, 42, 99, 1000, 70000])),
    headers=st.lists(st.tuples(names, values), max_size=4),
    bodies=st.lists(st.binary(max_size=10), min_size=1, max_size=4),
)
async def test_any_answer_is_valid_or_an_error(
    method: str, status: int, headers: list[tuple[bytes, bytes]], bodies: list[bytes]
) -> None:
    wire = Wire(method)
    try:
        await wire.answer(status, headers, *bodies)
    except UpstreamInvalid:
        check(wire, whole=False)
    else:
        check(wire, whole=True)


@pytest.mark.parametrize("status", [0, 42, 99, 100, 101, 199, 600, 999, 1000, 70000, -1, "200", None, 200.0])
async def test_a_status_that_kills_the_server_is_refused(status: object) -> None:
    wire = Wire()
    with pytest.raises(UpstreamInvalid):
        await wire.answer(status, [])  # type: ignore[arg-type]
    assert wire.sent == []


@pytest.mark.parametrize(
    "header",
    [(b"X-Upper", b"a"), (b"a b", b"a"), (b"", b"a"), (b"a", b"x\r\ny: z"), (b"a", b"\x00"), (b"a", b"\x7f"), (b"a:", b"b")],
)  # fmt: skip
async def test_a_header_that_splits_answers_is_refused(header: tuple[bytes, bytes]) -> None:
    wire = Wire()
    with pytest.raises(UpstreamInvalid):
        await wire.answer(200, [header], b"x")
    assert wire.sent == []


async def test_latin_and_tab_in_values_pass() -> None:
    wire = Wire()
    await wire.answer(200, [(b"x-a", b"caf\xe9\tx")], b"x")
    check(wire, whole=True)


async def test_a_whole_body_gets_its_length() -> None:
    wire = Wire()
    await wire.answer(200, [], b"hello")
    assert wire.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]},
        {"type": "http.response.body", "body": b"hello", "more_body": False},
    ]


async def test_the_head_waits_for_the_first_body_unless_it_is_an_event_stream() -> None:
    wire = Wire()
    await wire.guard({"type": "http.response.start", "status": 200, "headers": []})
    assert wire.sent == []
    assert not wire.ctx.response_started
    assert wire.ctx.status == 200
    wire = Wire()
    await wire.guard(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream; x")]}
    )
    assert len(wire.sent) == 1
    assert wire.ctx.response_started


async def test_a_body_after_the_end_is_a_bug() -> None:
    wire = Wire()
    await wire.answer(200, [], b"x")
    with pytest.raises(RuntimeError):
        await wire.guard({"type": "http.response.body", "body": b"y"})


@pytest.mark.parametrize("bodies", [(b"123456",), (b"1234",), (b"123", b"456"), (b"123", b"4"), (b"12345", b"6", b"")])
async def test_a_length_that_lies_is_refused(bodies: tuple[bytes, ...]) -> None:
    wire = Wire()
    with pytest.raises(UpstreamInvalid):
        await wire.answer(200, [(b"content-length", b"5")], *bodies)
    check(wire, whole=False)


async def test_restart_forgets_a_head_that_has_not_left() -> None:
    wire = Wire()
    await wire.guard({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    wire.guard.restart()
    await wire.answer(502, [], b"no")
    assert wire.sent[0]["status"] == 502
    check(wire, whole=True)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 205)])
@pytest.mark.parametrize("bodies", [(b"",), (b"abc",), (b"abc", b"def"), (b"", b"abc", b"")])
async def test_answers_without_a_body_have_none(method: str, status: int, bodies: tuple[bytes, ...]) -> None:
    wire = Wire(method)
    await wire.answer(status, [], *bodies)
    check(wire, whole=True)


async def test_head_keeps_the_length_of_the_body_it_stands_for() -> None:
    wire = Wire("HEAD")
    await wire.answer(200, [(b"content-length", b"1234")], b"")
    assert (b"content-length", b"1234") in wire.sent[0]["headers"]
    check(wire, whole=True)


async def test_complete_is_set_before_the_last_message_leaves() -> None:
    seen: list[bool] = []
    ctx = RequestContext(request_id="r")

    async def send(message: Message) -> None:
        seen.append(ctx.complete)

    guard = ResponseGuard(send, ctx, "POST")
    await guard({"type": "http.response.start", "status": 200, "headers": []})
    await guard({"type": "http.response.body", "body": b"a", "more_body": True})
    await guard({"type": "http.response.body", "body": b"", "more_body": False})
    assert seen == [False, False, True]


CHECKED = [(b"content-type", b"application/json"), (b"content-length", b"2")]
ENTITY = Entity(b"application/json", b"2")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"\x00", b"a\x7f", b"\x1b[0m"])
async def test_what_a_link_has_added_is_looked_at_beside_headers_that_were_checked(value: bytes) -> None:
    wire = Wire()
    wire.ctx.response_headers.append((b"x-tollway-warning", value))
    headers = [*CHECKED, *wire.ctx.response_headers]
    with pytest.raises(UpstreamInvalid):
        await wire.guard({"type": "http.response.start", "status": 200, "headers": headers, "checked": ENTITY})
    assert not wire.sent


async def test_the_length_of_checked_headers_holds() -> None:
    for bodies, good in (((b"{}",), True), ((b"{",), False), ((b"{} ",), False), ((b"{", b"}"), True)):
        wire = Wire()
        start = {"type": "http.response.start", "status": 200, "headers": [*CHECKED], "checked": ENTITY}
        try:
            await wire.guard(start)
            for index, body in enumerate(bodies):
                more = index < len(bodies) - 1
                await wire.guard({"type": "http.response.body", "body": body, "more_body": more})
        except UpstreamInvalid:
            assert not good
        else:
            assert good
            assert "checked" not in wire.sent[0]


hostile = st.text(st.characters(), max_size=20)


@settings(max_examples=150)
@given(hostile, hostile, hostile, hostile, hostile, st.booleans())
def test_headers_of_our_own_are_sound_whatever_the_names_are(
    route: str, provider: str, model: str, policy: str, field: str, failed: bool
) -> None:
    target = Target(provider=provider, model=model, limits=Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0))
    candidate = Candidate(target=target, model=model)
    attempt = Attempt(provider=provider, model=model, started=0.0, public=model)
    if failed:
        attempt.fault = Fault(kind="invalid", status=502, detail=field)
    ctx = RequestContext(
        request_id="r",
        route=route,
        target=target,
        plan=Plan(
            route=Route(label=route, candidates=(candidate,)),
            candidates=(candidate,),
            chosen=candidate,
            policy=policy,
            bound=field,
        ),
        attempts=[attempt, attempt],
        dropped=[field],
        rewritten=[model],
        timings=[("upstream", 0.5)],
    )
    said = RelaySettings(
        keepalive=0.0, send_timeout=1.0, include_usage="auto", server_timing=True, gateway_headers=True
    )
    check_response(own_headers(ctx, said, (), now=1.0, draining=True))
