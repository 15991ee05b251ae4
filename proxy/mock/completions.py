"""POST /completions, the legacy form: plain and streamed."""

from collections.abc import Iterator

import orjson

from .chat import usage_of
from .chat_request import stops_of
from .compose import Answer, Wish, answer_seed, compose
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
    required,
)
from .store import Route
from .text import created, digest, identifier, text_tokens


def _prompts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return [" ".join(map(str, value))]
    if isinstance(value, list) and value:
        return [
            item if isinstance(item, str) else " ".join(map(str, item)) if isinstance(item, list) else ""
            for item in value
        ]
    raise Refused("Invalid type for 'prompt': expected a string or an array.", param="prompt", code="invalid_type")


def create(call: Call) -> Reply:
    """Answer a completions request: `n` answers for each prompt."""
    document = call.document()
    model = model_of(document)
    prompts = _prompts(required(document, "prompt"))
    count = count_of(document, "n", least=1, most=128) or 1
    limit = count_of(document, "max_tokens", least=0)
    wish = Wish(limit=16 if limit is None else limit, stop=stops_of(document))
    echo = flag_of(document, "echo")
    seed = call.derive("completion", prompts, document.get("seed"))
    answers: list[Answer] = []
    for prompt in prompts:
        own = call.derive("completion", prompt, document.get("seed"))
        for index in range(count):
            answer = compose(answer_seed(own, index), wish, call.controls)
            answers.append(Answer([prompt, *answer.pieces], [], answer.finish) if echo else answer)
    written = sum(answer.tokens for answer in answers) - (len(answers) if echo else 0)
    usage = usage_of(sum(map(text_tokens, prompts)), written)
    head: Object = {
        "id": identifier("cmpl-", seed),
        "object": "text_completion",
        "created": created(seed),
        "model": model,
    }
    top = count_of(document, "logprobs", least=0, most=5)
    if flag_of(document, "stream"):
        asked = flag_of(object_of(document, "stream_options"), "include_usage")
        reported = asked if call.controls.usage is None else call.controls.usage
        return Reply(content_type=SSE, frames=_stream(head, answers, usage if reported else None, call.controls, top))
    choices = [
        {"text": answer.text, "index": index, "logprobs": _logprobs(answer.pieces, top), "finish_reason": answer.finish}
        for index, answer in enumerate(answers)
    ]
    whole: Object = {**head, "choices": choices, "usage": usage}
    if call.controls.usage is False:
        del whole["usage"]
    return json_reply(whole)


def _logprobs(pieces: list[str], top: int | None, offset: int = 0) -> Object | None:
    if top is None:
        return None
    values = [-((digest(piece.encode("utf-8", "surrogatepass")) % 900) / 1000) for piece in pieces]
    offsets = []
    for piece in pieces:
        offsets.append(offset)
        offset += len(piece)
    likely = [{piece: value} for piece, value in zip(pieces, values, strict=True)] if top else None
    return {"tokens": pieces, "token_logprobs": values, "top_logprobs": likely, "text_offset": offsets}


def _stream(
    head: Object, answers: list[Answer], usage: Object | None, controls: Controls, top: int | None
) -> Iterator[bytes]:
    tail: Object = {} if usage is None else {"usage": None}

    def chunk(index: int, text: str, finish: str | None, probable: Object | None) -> bytes:
        choice = {"text": text, "index": index, "logprobs": probable, "finish_reason": finish}
        return event(orjson.dumps({**head, "choices": [choice], **tail}))

    longest = max(len(answer.pieces) for answer in answers)
    for place in range(longest + 1):
        for index, answer in enumerate(answers):
            if place < len(answer.pieces):
                piece = answer.pieces[place]
                offset = len("".join(answer.pieces[:place])) if top is not None else 0
                shown = piece + STAMP.decode() if controls.stamp else piece
                yield chunk(index, shown, None, _logprobs([piece], top, offset))
            elif place == len(answer.pieces):
                yield chunk(index, "", answer.finish, None)
    if usage is not None:
        yield event(orjson.dumps({**head, "choices": [], "usage": usage}))
    if controls.done:
        yield b"data: [DONE]\n\n"


ROUTES = (Route("POST", "/completions", create),)
