"""A whole chat answer as Anthropic's ``message``. Blocks stand in the order in which models speak: thinking, text, tools."""

from ...wire.members import deeper_than
from ...wire.values import JsonObject, obj, object_in, objects, text
from ..ask import Ask
from ..calls import calls_in
from ..carried import DEPTH, public_id
from .ending import citations_of, native_block, picture, public_text, stop_of, usage_of
from .thinking import remainder, thought

CARRIED_MEMBERS = ("reasoning_details", "extra_content")
"""Members of a message that no block shows and a follow-up turn needs."""


def message(chat: JsonObject, ask: Ask, stops: tuple[str, ...]) -> JsonObject:
    """``stops``: the stop sequences that were asked for."""
    choice = next((each for each in objects(chat.get("choices")) if each.get("index") in (0, None)), {})
    said = obj(choice.get("message"))
    refusal = text(said.get("refusal"))
    spoken = public_text(said.get("content")) + "".join([picture(image) for image in objects(said.get("images"))])
    content, left = _thinking(said)
    content += [block for each in objects(said.get("provider_blocks")) if (block := native_block(each)) is not None]
    if spoken or refusal:
        content.append(_spoken(spoken or refusal, objects(said.get("provider_blocks"))))
    uses = _tool_uses(said, ask)
    content += uses
    if left:
        content.append(remainder(left))
    return {
        **opening(ask, text(chat.get("id"))),
        "content": [*content],
        **stop_of(choice, stops, called=bool(uses), refusal=refusal),
        "usage": usage_of(chat.get("usage")),
    }


def opening(ask: Ask, ident: str) -> JsonObject:
    """The members that are known before the first token. ``model`` is the name that the client asked for."""
    known = ident.removeprefix("chatcmpl-") or ask.request_id
    return {
        "id": known if known.startswith("msg_") else f"msg_{known}",
        "type": "message",
        "role": "assistant",
        "model": ask.public or ask.model,
    }


def _thinking(said: JsonObject) -> tuple[list[JsonObject], JsonObject]:
    """The thinking blocks, and the state that is left because no block could take it."""
    reasoning = text(said.get("reasoning_content")) or text(said.get("reasoning"))
    native = objects(said.get("thinking_blocks"))
    state: JsonObject = {name: said[name] for name in CARRIED_MEMBERS if said.get(name)}
    if native and (not reasoning or "".join([text(block.get("thinking")) for block in native]) == reasoning):
        return native, state
    if not reasoning:
        return [], state
    if native:
        state["thinking_blocks"] = [*native]
    return [thought(reasoning, state)], {}


def _spoken(said: str, carried: list[JsonObject]) -> JsonObject:
    found = [citation for each in carried for citation in citations_of(each)]
    block: JsonObject = {"type": "text", "text": said}
    return {**block, "citations": [*found]} if found else block


def _tool_uses(said: JsonObject, ask: Ask) -> list[JsonObject]:
    calls = calls_in(said, ask.request_id)
    return [
        {
            "type": "tool_use",
            "id": public_id(calls.ident(call), call.extra, strict=True),
            "name": ask.names.back(call.name),
            "input": _input(call.arguments),
        }
        for call in calls.found
        if call.name
    ]


def _input(arguments: str) -> JsonObject:
    """The arguments as an object; what is none (cut off at the token limit, or nested absurdly) is kept under ``_raw``."""
    if not arguments.strip():
        return {}
    told = arguments.encode("utf-8", "replace")
    found = object_in(told) if not deeper_than(told, DEPTH) else None
    return found if found is not None else {"_raw": arguments}
