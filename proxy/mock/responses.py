"""POST /responses, plain, streamed and in the background; and the stored responses."""

from collections.abc import Callable, Iterator

import orjson

from .chat_request import chosen_tool, content_tokens
from .compose import Answer, Tool, ToolCall, Wish, compose
from .controls import Controls
from .reply import (
    SSE,
    STAMP,
    Call,
    Object,
    Refused,
    Reply,
    count_of,
    event,
    flag_of,
    json_reply,
    model_of,
    object_of,
    objects_of,
    required,
)
from .store import Route, deleted, listing
from .text import created, digest, identifier, pieces_of, text_tokens

Numbered = Callable[..., Object]


def create(call: Call) -> Reply:
    """Answer a responses request."""
    document = call.document()
    response, answer = respond(call, document)
    if flag_of(document, "background"):
        _keep(call, document, response)
        return json_reply({**response, "status": "queued", "output": [], "usage": None, "background": True})
    if document.get("store") is not False:
        _keep(call, document, response)
    if flag_of(document, "stream"):
        return Reply(content_type=SSE, frames=_frames(response, answer, call.controls), prelude=4)
    return json_reply(response)


def respond(call: Call, document: Object) -> tuple[Object, Answer]:
    """Return the finished response object of a request, and the answer it was made from."""
    model = model_of(document)
    items = _items(document)
    if document.get("previous_response_id") is not None and document.get("conversation") is not None:
        raise Refused("Mutually exclusive parameters: 'previous_response_id' and 'conversation'.")
    previous = document.get("previous_response_id")
    if isinstance(previous, str):
        try:
            call.store.get("responses", previous)
        except Refused:
            raise Refused(
                f"Previous response with id '{previous}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            ) from None
    wish = _wish(document, items)
    seed = call.derive("response", items, document.get("instructions"), previous)
    answer = compose(seed, wish, call.controls)
    return _response(document, model, seed, answer, input_tokens(document, items), call.controls), answer


def _items(document: Object) -> list[Object]:
    given = document.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if given is None and document.get("prompt") is None and document.get("conversation") is None:
        required(document, "input")
    return objects_of(document, "input")


def _wish(document: Object, items: list[Object]) -> Wish:
    tools: list[Tool] = []
    for item in objects_of(document, "tools"):
        name = item.get("name")
        if item.get("type") in ("function", "custom") and isinstance(name, str):
            tools.append(Tool(name, None if item.get("type") == "custom" else object_of(item, "parameters")))
    form = object_of(object_of(document, "text"), "format")
    choice = document.get("tool_choice")
    chosen = chosen_tool(choice)
    if chosen:
        tools = [tool for tool in tools if tool.name == chosen]
    forced = choice == "required" or bool(chosen)
    told = bool(items) and str(items[-1].get("type")).endswith("_output")
    return Wish(
        limit=count_of(document, "max_output_tokens", least=1),
        json=form.get("type") == "json_object",
        schema=object_of(form, "schema") if form.get("type") == "json_schema" else None,
        tools=tools,
        forced=forced,
        allowed=choice != "none" and (forced or not told),
    )


def input_tokens(document: Object, items: list[Object]) -> int:
    """Count a request: instructions and text by their bytes, 4 an item, 3 a request, tools as JSON."""
    instructions = document.get("instructions")
    total = 3 + (text_tokens(instructions) if isinstance(instructions, str) else 0)
    for item in items:
        total += 4 + content_tokens(item.get("content"))
        for name in ("arguments", "output", "input"):
            value = item.get(name)
            total += text_tokens(value) if isinstance(value, str) else 0
    if document.get("tools"):
        total += text_tokens(orjson.dumps(document["tools"]).decode())
    return total


def _response(document: Object, model: str, seed: int, answer: Answer, read: int, controls: Controls) -> Object:
    short = answer.finish == "length"
    usage: Object | None = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + answer.tokens,
    }
    return {
        "id": identifier("resp_", seed),
        "object": "response",
        "created_at": created(seed),
        "status": "incomplete" if short else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if short else None,
        "instructions": document.get("instructions"),
        "max_output_tokens": document.get("max_output_tokens"),
        "model": model,
        "output": _output(answer, seed),
        "parallel_tool_calls": document.get("parallel_tool_calls") is not False,
        "previous_response_id": document.get("previous_response_id"),
        "reasoning": {"effort": object_of(document, "reasoning").get("effort"), "summary": None},
        "service_tier": "default",
        "store": document.get("store") is not False,
        "temperature": document.get("temperature", 1.0),
        "text": document.get("text") or {"format": {"type": "text"}},
        "tool_choice": document.get("tool_choice") or "auto",
        "tools": objects_of(document, "tools"),
        "top_p": document.get("top_p", 1.0),
        "truncation": document.get("truncation") or "disabled",
        "usage": None if controls.usage is False else usage,
        "metadata": object_of(document, "metadata"),
    }


def _output(answer: Answer, seed: int) -> list[Object]:
    if not answer.calls:
        part: Object = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        return [
            {
                "id": identifier("msg_", seed),
                "type": "message",
                "status": "incomplete" if answer.finish == "length" else "completed",
                "role": "assistant",
                "content": [part],
            }
        ]
    return [_call_item(made) for made in answer.calls]


def _call_item(made: ToolCall) -> Object:
    seed = digest(made.id.encode())
    text = "".join(made.pieces)
    if made.custom:
        key, kind, member = identifier("ctc_", seed), "custom_tool_call", "input"
    else:
        key, kind, member = identifier("fc_", seed), "function_call", "arguments"
    return {"id": key, "type": kind, "status": "completed", "call_id": made.id, "name": made.name, member: text}


def events(response: Object, answer: Answer, controls: Controls) -> Iterator[Object]:
    """Yield the events of a streamed response in their documented order, numbered from 0."""
    number = -1

    def numbered(kind: str, **members: object) -> Object:
        nonlocal number
        number += 1
        return {"type": kind, "sequence_number": number, **members}

    started = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield numbered("response.created", response=started)
    yield numbered("response.in_progress", response=started)
    for index, item in enumerate(objects_of(response, "output")):
        pieces = answer.calls[index].pieces if answer.calls else answer.pieces
        place: Object = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            yield from _text_events(numbered, item, place, pieces, controls)
        else:
            yield from _call_events(numbered, item, place, pieces)
    ended = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
    yield numbered(ended, response=response)


def _text_events(
    numbered: Numbered, item: Object, place: Object, pieces: list[str], controls: Controls
) -> Iterator[Object]:
    part = objects_of(item, "content")[0]
    inside: Object = {**place, "content_index": 0}
    yield numbered(
        "response.output_item.added",
        output_index=place["output_index"],
        item={**item, "status": "in_progress", "content": []},
    )
    yield numbered("response.content_part.added", **inside, part={**part, "text": ""})
    for piece in pieces:
        shown = piece + STAMP.decode() if controls.stamp else piece
        yield numbered("response.output_text.delta", **inside, delta=shown, logprobs=[])
    yield numbered("response.output_text.done", **inside, text=part["text"], logprobs=[])
    yield numbered("response.content_part.done", **inside, part=part)
    yield numbered("response.output_item.done", output_index=place["output_index"], item=item)


def _call_events(numbered: Numbered, item: Object, place: Object, pieces: list[str]) -> Iterator[Object]:
    custom = item["type"] == "custom_tool_call"
    member = "input" if custom else "arguments"
    kind = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
    yield numbered(
        "response.output_item.added",
        output_index=place["output_index"],
        item={**item, "status": "in_progress", member: ""},
    )
    for piece in pieces:
        yield numbered(f"{kind}.delta", **place, delta=piece)
    yield numbered(f"{kind}.done", **place, **{member: item[member]}, **({} if custom else {"name": item["name"]}))
    yield numbered("response.output_item.done", output_index=place["output_index"], item=item)


def _frames(response: Object, answer: Answer, controls: Controls, after: int = -1) -> Iterator[bytes]:
    for made in events(response, answer, controls):
        if int(str(made["sequence_number"])) > after:
            yield event(orjson.dumps(made), str(made["type"]))


def _keep(call: Call, document: Object, response: Object) -> None:
    call.store.put("responses", str(response["id"]), {**response, "mock_input": _items(document)})


def _shown(stored: Object) -> Object:
    return {name: value for name, value in stored.items() if name != "mock_input"}


def _answer_of(response: Object) -> Answer:
    """Return the answer a stored response was made from."""
    pieces: list[str] = []
    calls: list[ToolCall] = []
    for item in objects_of(response, "output"):
        if item["type"] == "message":
            pieces = pieces_of(str(objects_of(item, "content")[0]["text"]))
        else:
            custom = item["type"] == "custom_tool_call"
            text = str(item["input" if custom else "arguments"])
            calls.append(ToolCall(str(item["call_id"]), str(item["name"]), custom, pieces_of(text)))
    return Answer(pieces, calls, "length" if response["status"] == "incomplete" else "stop")


def stored_get(call: Call) -> Reply:
    """Return a stored response, or its events again from `starting_after` on."""
    stored = _shown(call.store.get("responses", call.params[0]))
    if call.query.get("stream") != "true":
        return json_reply(stored)
    after = call.query.get("starting_after", "-1")
    if not after.lstrip("-").isdigit():
        raise Refused("Invalid 'starting_after': expected an integer.", param="starting_after", code="invalid_type")
    return Reply(content_type=SSE, frames=_frames(stored, _answer_of(stored), call.controls, int(after)))


def stored_delete(call: Call) -> Reply:
    call.store.remove("responses", call.params[0])
    return json_reply(deleted(call.params[0], "response"))


def cancel(call: Call) -> Reply:
    stored = {**call.store.get("responses", call.params[0]), "status": "cancelled"}
    call.store.put("responses", call.params[0], stored)
    return json_reply(_shown(stored))


def input_items(call: Call) -> Reply:
    items = objects_of(call.store.get("responses", call.params[0]), "mock_input")
    return listing(call, [{"id": f"{call.params[0]}-{index}", **item} for index, item in enumerate(items)])


def count(call: Call) -> Reply:
    """Count a request without answering it."""
    document = call.document()
    return json_reply({"object": "response.input_tokens", "input_tokens": input_tokens(document, _items(document))})


def compact(call: Call) -> Reply:
    """Return the conversation as one compaction item."""
    document = call.document()
    model_of(document)
    seed = call.derive("compaction", _items(document))
    item: Object = {"id": identifier("cmp_", seed), "type": "compaction", "encrypted_content": identifier("", seed)}
    read = input_tokens(document, _items(document))
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + 1,
    }
    head: Object = {"id": identifier("resp_", seed), "object": "response.compaction", "created_at": created(seed)}
    return json_reply({**head, "output": [item], "usage": usage})


ROUTES = (
    Route("POST", "/responses", create),
    Route("POST", "/responses/input_tokens", count),
    Route("POST", "/responses/compact", compact),
    Route("GET", "/responses/{id}", stored_get),
    Route("DELETE", "/responses/{id}", stored_delete),
    Route("POST", "/responses/{id}/cancel", cancel),
    Route("GET", "/responses/{id}/input_items", input_items),
)
