"""A whole chat answer as a ``response``: reasoning, message, images, calls."""

from ...wire.values import JsonObject, obj, objects, text
from ..ask import Ask
from ..calls import calls_in
from ..carried import public_id
from .echo import Echo, unfinished
from .items import (
    ENCRYPTED,
    call_item,
    flat_annotation,
    image_item,
    logprobs_of,
    message_item,
    reasoning_item,
    refusal_part,
    text_part,
)
from .tools import Tools


def response(chat: JsonObject, echo: Echo, tools: Tools, ask: Ask) -> JsonObject:
    """``chat``: a ``chat.completion``."""
    choice = next((each for each in objects(chat.get("choices")) if each.get("index") in (0, None)), {})
    said = obj(choice.get("message"))
    output: list[JsonObject] = []
    summary = text(said.get("reasoning_content")) or text(said.get("reasoning"))
    state: JsonObject = {name: said[name] for name in ENCRYPTED if said.get(name)}
    if summary or state:
        output.append(reasoning_item(0, summary, state, ask, encrypted=echo.encrypted))
    _speak(output, choice, said, ask)
    calls = calls_in(said, ask.request_id)
    for call in calls.found:
        if call.name:
            ident = public_id(calls.ident(call), call.extra, strict=False)
            arguments = call.arguments or "{}"
            output.append(
                call_item(len(output), ident, tools.of(ask.names.back(call.name)), arguments, ask, "completed")
            )
    if not output:
        output.append(message_item(0, [text_part("", [], [])], ask, "completed"))
    finish = choice.get("finish_reason")
    if unfinished(finish) and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    return echo.ended(output, finish, chat.get("usage"))


def _speak(output: list[JsonObject], choice: JsonObject, said: JsonObject, ask: Ask) -> None:
    """Adds the message and the images."""
    content = said.get("content")
    spoken = "".join([text(part.get("text")) for part in objects(content)]) or text(content)
    images: list[JsonObject] = []
    for image in objects(said.get("images")):
        if image_item(0, image, ask) is not None:
            images.append(image)
        else:
            spoken += link_of(image)
    parts = []
    if spoken:
        annotations = [flat_annotation(each) for each in objects(said.get("annotations"))]
        parts.append(text_part(spoken, [*annotations], logprobs_of(choice)))
    if text(said.get("refusal")):
        parts.append(refusal_part(text(said.get("refusal"))))
    if parts:
        output.append(message_item(len(output), [*parts], ask, "completed"))
    for image in images:
        made = image_item(len(output), image, ask)
        output += [made] if made is not None else []


def link_of(image: JsonObject) -> str:
    """An image that is given as a link, as text."""
    url = text(obj(image.get("image_url")).get("url"))
    return f"![image]({url})" if url else ""
