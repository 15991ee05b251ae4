"""Where things were made: one request goes to one place, and what lives at two cannot be joined."""

import json

import pytest

from proxy.context import Attempt, FrameWatch, Limits, Principal, RequestContext, Target
from proxy.errors import InvalidRequest, NotFound, ObjectNotFound, PermissionDenied
from proxy.ownership.guarding import Guard
from proxy.ownership.memory import MemoryOwners
from proxy.ownership.places import Placed, bound_to, met, place_of
from proxy.ownership.reach import Reach
from proxy.ownership.sealed import sealed_in
from proxy.ownership.sockets import SocketWatch
from proxy.policy.targets import Candidate, Route
from proxy.protocols import Owned
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, NATIVE, PASSTHROUGH, REALTIME, RESPONSES, Endpoint
from tests.support.clock import FakeClock

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
THOUGHT = "ErUBCkYIARgCIkDq3rV5Zs0signature"
REASONING = "gAAAAABencryptedreasoning"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a#0", "a#0", "a#0"), ("a", "a", "a"), ("a", "a#1", "a#1"), ("a#1", "a", "a#1"),
        ("a#0", "a#1", None), ("a#0", "b#0", None), ("a", "b#0", None), ("a", "ab#0", None),
    ],
)  # fmt: skip
def test_places_that_allow_each_other(one: str, other: str, both: str | None) -> None:
    assert met(one, other) == both


def test_two_places_are_told_with_what_is_there() -> None:
    placed = [Placed("the file 'f'", "a"), Placed("the file 'g'", "a#1"), Placed("the batch 'b'", "b#0")]
    assert bound_to(placed[:2]) == "a#1"
    assert bound_to([]) == ""
    with pytest.raises(
        InvalidRequest, match=r"the file 'f' at a, the batch 'b' at b#0\. .*make one of them again"
    ) as error:
        bound_to(placed)
    assert error.value.code == "objects_apart"


def test_the_place_is_that_of_the_latest_attempt() -> None:
    ctx = RequestContext(request_id="r")
    assert place_of(ctx) == ""
    ctx.attempts += [
        Attempt(provider="a", model="m", started=0.0),
        Attempt(provider="b", model="m", started=0.0, key=2),
    ]
    assert place_of(ctx) == "b#2"


class Names:
    """``fast`` leads to openai and azure, ``claude`` to claude, everything else nowhere that is known."""

    def route(self, model: str) -> Route | None:
        providers = {"fast": ("openai", "azure"), "claude": ("claude",), "lone": ("lone",)}.get(model)
        if providers is None:
            return None
        targets = [Target(provider=name, model="m", limits=LIMITS) for name in providers]
        return Route(label=model, candidates=tuple(Candidate(target=target, model=model) for target in targets))

    def passthrough(self) -> Target | None:
        return Target(provider="openai", model="", limits=LIMITS)


KEYS = {"openai": 2, "azure": 1, "claude": 2, "lone": 1}


async def admitted(
    endpoint: Endpoint,
    path: str,
    body: bytes = b"",
    *,
    model: str | None = None,
    method: str = "POST",
    enforced: bool = True,
    keys: dict[str, int] = KEYS,
    fixed: bool = True,
) -> RequestContext:
    owners = MemoryOwners(enforced=lambda: enforced, wall=FakeClock())
    await owners.claim("app", ["file-openai0", "resp_openai0"], "openai#0")
    await owners.claim("app", ["file-openai1"], "openai#1")
    await owners.claim("app", ["file-azure0", "msg_azure00"], "azure#0")
    await owners.claim("app", ["file-nowhere"])
    await owners.claim("app", sealed_in(b'{"encrypted_content":"%s"}' % REASONING.encode()), "azure#0")
    await owners.claim("app", sealed_in(b'{"signature":"%s"}' % THOUGHT.encode()), "claude")
    await owners.claim("other", ["file-theirs1"], "openai#0")
    guard = Guard(
        endpoint,
        path if fixed else None,
        owners=owners,
        reach=Reach(keys, Names()),
        shared=frozenset(),
        inflate=lambda encoding: None,
    )
    ctx = RequestContext(
        request_id="r",
        endpoint=endpoint,
        path=path,
        method=method,
        body=body,
        request=RequestView(model=model),
        principal=Principal(name="app", tenant="app", account="app"),
    )
    await guard.admit(ctx)
    return ctx


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    ("body", "bound"),
    [
        (b'{"previous_response_id":"resp_openai0"}', "openai#0"),
        (b'{"input":[{"content":[{"file_id":"file-openai1"}]}]}', "openai#1"),
        (b'{"previous_response_id":"resp_openai0","input":[{"content":[{"file_id":"file-openai0"}]}]}', "openai#0"),
        (b'{"input":[{"content":[{"file_id":"file-nowhere"}]}]}', ""),
        (b'{"input":[{"type":"reasoning","encrypted_content":"%s"}]}' % REASONING.encode(), "azure#0"),
        (b'{"input":[{"type":"reasoning","encrypted_content":"of nobody that is known"}]}', ""),
        (b'{"input":"hello"}', ""),
    ],
)
async def test_a_response_is_bound_to_what_it_continues(body: bytes, bound: str, enforced: bool) -> None:
    assert (await admitted(RESPONSES, "/responses", body, model="fast", enforced=enforced)).bound == bound


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/files/file-openai1"), ("DELETE", "/files/file-openai1"), ("GET", "/files/file-openai1/content"),
        ("POST", "/containers/file-openai1/files"), ("GET", "/vector_stores/file-openai1/search"), ("GET", "/batches/file-openai1"),
        ("GET", "/conversations/file-openai1/items"), ("POST", "/assistants/file-openai1"), ("GET", "/threads/file-openai1/runs"),
        ("POST", "/fine_tuning/jobs/file-openai1/cancel"), ("GET", "/responses/file-openai1"), ("GET", "/brand_new/file-openai1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("enforced", [True, False])
async def test_a_path_without_a_model_is_bound_too(method: str, path: str, enforced: bool) -> None:
    assert (await admitted(PASSTHROUGH, path, method=method, enforced=enforced, fixed=False)).bound == "openai#1"


@pytest.mark.parametrize("path", ["/files", "/batches", "/vector_stores"])
async def test_a_collection_is_not(path: str) -> None:
    assert (await admitted(PASSTHROUGH, path, method="GET", fixed=False)).bound == ""


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"input":[{"file_id":"file-azure0"},{"file_id":"file-openai1"}]}', "'file-"),
        (b'{"previous_response_id":"resp_openai0","input":[{"file_id":"file-openai1"}]}', "openai#1"),
        (
            b'{"previous_response_id":"resp_openai0","input":[{"encrypted_content":"%s"}]}' % REASONING.encode(),
            "encrypted reasoning or a signed thought at azure#0",
        ),
    ],
)
async def test_what_two_places_made_is_refused_together(body: bytes, words: str, enforced: bool) -> None:
    with pytest.raises(InvalidRequest, match=words) as error:
        await admitted(RESPONSES, "/responses", body, model="fast", enforced=enforced)
    assert (error.value.status, error.value.code) == (400, "objects_apart")


async def test_what_a_key_made_that_is_gone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"its key number 2, .* no such key any more") as error:
        await admitted(PASSTHROUGH, "/files/file-openai1", method="GET", fixed=False, keys={**KEYS, "openai": 1})
    assert error.value.code == "bound_elsewhere"


async def test_anothers_object_is_not_found_wherever_it_is() -> None:
    for body in (
        b'{"input":[{"file_id":"file-theirs1"}]}',
        b'{"input":[{"file_id":"file-azure0"},{"file_id":"file-theirs1"}]}',
    ):
        with pytest.raises(ObjectNotFound, match="file-theirs1"):
            await admitted(RESPONSES, "/responses", body, model="fast")


async def test_where_nobody_is_kept_apart_anybodys_object_binds_and_unknown_ones_are_free() -> None:
    for ident, bound in (("file-theirs1", "openai#0"), ("file-unknown", "")):
        body = b'{"input":[{"file_id":"%s"}]}' % ident.encode()
        assert (await admitted(RESPONSES, "/responses", body, model="fast", enforced=False)).bound == bound


async def test_where_nobody_is_kept_apart_nothing_new_is_refused() -> None:
    for path, body in (("/files/%2566ile-x", b""), ("/brand_new", b'{"file_id":'), ("/brand_new/delete_all", b"")):
        assert (await admitted(PASSTHROUGH, path, body, enforced=False, fixed=False)).bound == ""
        with pytest.raises((NotFound, InvalidRequest, PermissionDenied)):
            await admitted(PASSTHROUGH, path, body, enforced=True, fixed=False)


async def test_with_one_place_nothing_is_bound_nor_looked_for() -> None:
    body = b'{"previous_response_id":"resp_openai0","input":[{"encrypted_content":"%s"}]}' % REASONING.encode()
    ctx = await admitted(RESPONSES, "/responses", body, model="lone", keys={"lone": 1})
    assert ctx.bound == ""
    assert [type(each).__name__ for each in ctx.answers] == ["AnswerWatch"]


# ---- sealed texts ---------------------------------------------------------------------------------------------------

SIGNED = (
    b'{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"%s"}]}]}'
    % THOUGHT.encode()
)


@pytest.mark.parametrize(
    ("model", "bound"),
    [("claude", "claude"), ("fast", ""), ("auto", "claude")],
    ids=["its maker may answer", "its maker does not", "anybody may"],
)
async def test_a_sealed_text_binds_where_its_maker_may_answer(model: str, bound: str) -> None:
    assert (await admitted(CHAT, "/chat/completions", SIGNED, model=model)).bound == bound


WHOLE = b'{"input":[{"type":"message","id":"msg_azure00","role":"assistant","content":[]},{"role":"user","content":"and?"}]}'


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(("model", "bound"), [("fast", "azure#0"), ("claude", "")])
async def test_a_whole_item_binds_where_its_maker_may_answer(model: str, bound: str, enforced: bool) -> None:
    assert (await admitted(RESPONSES, "/responses", WHOLE, model=model, enforced=enforced)).bound == bound


@pytest.mark.parametrize(
    "body", [b'{"input":[{"type":"item_reference","id":"msg_azure00"}]}', b'{"previous_response_id":"msg_azure00"}']
)
async def test_a_name_alone_binds_wherever_the_model_leads(body: bytes) -> None:
    assert (await admitted(RESPONSES, "/responses", body, model="claude")).bound == "azure#0"


async def test_what_is_carried_whole_is_free_once_its_key_is_gone() -> None:
    sealed = b'{"input":[{"encrypted_content":"%s"}]}' % REASONING.encode()
    for body in (WHOLE, sealed):
        assert (await admitted(RESPONSES, "/responses", body, model="fast", keys={**KEYS, "azure": 0})).bound == ""


async def test_a_plain_chat_has_its_answer_looked_at_only_where_it_may_go_to_several_places() -> None:
    for model, watches in (("fast", 1), ("claude", 1), ("lone", 0)):
        assert len((await admitted(CHAT, "/chat/completions", b'{"messages":[]}', model=model)).answers) == watches


# ---- sockets --------------------------------------------------------------------------------------------------------


async def socket(*, keys: dict[str, int] = KEYS, enforced: bool = True) -> FrameWatch:
    ctx = await admitted(REALTIME, "/responses", model="fast", method="GET", keys=keys, enforced=enforced, fixed=False)
    ctx.attempts.append(Attempt(provider="openai", model="m", started=0.0, key=1))
    assert ctx.frames is not None
    return ctx.frames


@pytest.mark.parametrize("enforced", [True, False])
async def test_a_sockets_frames_name_what_is_where_the_socket_is(enforced: bool) -> None:
    frames = await socket(enforced=enforced)
    await frames.sent('{"type":"response.create","response":{"input":[{"file_id":"file-openai1"}]}}')
    for frame in ('{"previous_response_id":"resp_openai0"}', json.dumps({"input": [{"encrypted_content": REASONING}]})):
        with pytest.raises(InvalidRequest, match="this socket at openai#1") as error:
            await frames.sent(frame)
        assert error.value.code == "objects_apart"


async def test_what_a_socket_seals_is_there() -> None:
    owners = MemoryOwners(enforced=lambda: True, wall=FakeClock())
    ctx = RequestContext(request_id="r", endpoint=REALTIME, path="/responses")
    ctx.attempts.append(Attempt(provider="openai", model="m", started=0.0, key=1))
    frames = SocketWatch(ctx, owners=owners, account="app", shared=frozenset(), looks=True, several=True)
    await frames.received(json.dumps({"type": "response.output_item.done", "item": {"encrypted_content": REASONING}}))
    idents = sealed_in(json.dumps({"input": [{"encrypted_content": REASONING}]}).encode())
    assert await owners.owners(idents) == [Owned("app", "openai#1")]


async def test_with_one_place_a_sockets_frames_go_where_it_goes() -> None:
    await (await socket(keys={"openai": 1})).sent('{"previous_response_id":"resp_openai0"}')


async def test_a_frame_that_cannot_be_read_is_refused_where_accounts_are_kept_apart() -> None:
    frame = '{"file_id":'
    await (await socket(enforced=False)).sent(frame)
    with pytest.raises(InvalidRequest):
        await (await socket()).sent(frame)


# ---- native paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("provider", "bound"), [("openai", "openai#1"), ("azure", "")])
async def test_a_native_path_says_itself_where_it_goes(provider: str, bound: str) -> None:
    ctx = await admitted(NATIVE, f"/native/{provider}/v1/files/file-openai1", method="GET", fixed=False)
    assert ctx.bound == bound
