"""The ordinary calls of the official SDK, one entry each: adding a call is adding a line.

A call is a chain of steps. A step takes the client (sync or async) and the answers of the steps before it, and returns what
the SDK returns: a value or an awaitable of it. What is awaited, iterated or entered is the test's business.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

Step = Callable[[Any, list[Any]], Any]

ASK: list[dict[str, Any]] = [{"role": "user", "content": "How long is the road to the mill — in metres?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a place up.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "near": {"type": "number"}},
            "required": ["place", "near"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
FLAT_TOOL = {"type": "function", **TOOL["function"]}  # type: ignore[dict-item]
ANSWERED: list[dict[str, Any]] = [
    *ASK,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "look_up", "arguments": '{"place": "mill", "near": 1}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "9007199254740993 m"},
]
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "road",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "metres": {"type": "integer"}},
            "required": ["name", "metres"],
            "additionalProperties": False,
        },
    },
}
DATA = bytes(range(256)) * 40
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
USAGE = {"include_usage": True}
MODEL = "gpt-4o"


class Road(BaseModel):
    """What the parse helpers are asked for."""

    name: str
    metres: int


def _chat(**fields: Any) -> tuple[Step, ...]:
    return (lambda c, _: c.chat.completions.create(**{"model": MODEL, "messages": ASK, **fields}),)


def _completion(**fields: Any) -> tuple[Step, ...]:
    return (lambda c, _: c.completions.create(**{"model": MODEL, "prompt": "The road", "max_tokens": 6, **fields}),)


def _response(**fields: Any) -> tuple[Step, ...]:
    return (lambda c, _: c.responses.create(**{"model": MODEL, "input": "How long is the road?", **fields}),)


def _embedding(**fields: Any) -> tuple[Step, ...]:
    return (lambda c, _: c.embeddings.create(**{"model": "text-embedding-3-small", "input": "the road", **fields}),)


def _sound(**fields: Any) -> Step:
    spoken = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "a long road", **fields}
    return lambda c, _: c.audio.speech.create(**spoken)


def _heard(**fields: Any) -> tuple[Step, ...]:
    return (lambda c, _: c.audio.transcriptions.create(**{"model": "whisper-1", "file": ("a b.wav", WAV), **fields}),)


def _picture(seed: int) -> tuple[str, bytes]:
    return f"{seed}.png", b"\x89PNG\r\n\x1a\n" + DATA[seed : seed + 64]


CALLS: dict[str, tuple[Step, ...]] = {
    "chat": _chat(),
    "chat with every setting": _chat(
        n=3, temperature=0.7, top_p=0.9, seed=7, stop=["mill"], max_completion_tokens=9, presence_penalty=0.1, user="u1"
    ),
    "chat logprobs": _chat(logprobs=True, top_logprobs=3),
    "chat unknown fields": _chat(extra_body={"road": {"metres": 9007199254740993}, "é": None}),
    "chat query and headers": _chat(extra_query={"a": "b c", "d[]": "1"}, extra_headers={"x-client-request-id": "r-1"}),
    "chat picture": _chat(
        messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]}]
    ),
    "chat tools": _chat(tools=[TOOL], tool_choice="auto"),
    "chat parallel tools": _chat(tools=[TOOL], parallel_tool_calls=True, extra_headers={"x-mock-tool-calls": "3"}),
    "chat after tools": _chat(messages=ANSWERED, tools=[TOOL]),
    "chat json_object": _chat(messages=[{"role": "user", "content": "Answer in JSON"}], response_format={"type": "json_object"}),
    "chat json_schema": _chat(response_format=SCHEMA),
    "chat parse": (lambda c, _: c.chat.completions.parse(model=MODEL, messages=ASK, response_format=Road),),
    "chat stream": _chat(stream=True),
    "chat stream usage": _chat(stream=True, stream_options=USAGE),
    "chat stream n": _chat(stream=True, n=3),
    "chat stream logprobs": _chat(stream=True, logprobs=True, top_logprobs=2),
    "chat stream tools": _chat(stream=True, tools=[TOOL], extra_headers={"x-mock-tool-calls": "3"}),
    "chat stream unicode": _chat(stream=True, extra_headers={"x-mock-unicode": "on", "x-mock-split": "3"}),
    "chat stream helper": (lambda c, _: c.chat.completions.stream(model=MODEL, messages=ASK, stream_options=USAGE),),
    "chat stream helper tools": (lambda c, _: c.chat.completions.stream(model=MODEL, messages=ASK, tools=[TOOL]),),
    "chat stream helper parse": (lambda c, _: c.chat.completions.stream(model=MODEL, messages=ASK, response_format=Road),),
    "stored chat": (
        lambda c, _: c.chat.completions.create(model=MODEL, messages=ASK, store=True, metadata={"a": "b"}),
        lambda c, r: c.chat.completions.retrieve(r[0].id),
        lambda c, r: c.chat.completions.update(r[0].id, metadata={"a": "c"}),
        lambda c, r: c.chat.completions.messages.list(r[0].id),
        lambda c, _: c.chat.completions.list(model=MODEL, limit=5),
        lambda c, r: c.chat.completions.delete(r[0].id),
    ),
    "completions": _completion(),
    "completions n logprobs": _completion(prompt=["a", "b"], n=2, logprobs=1, echo=True),
    "completions stream": _completion(stream=True, stream_options=USAGE),
    "responses": _response(),
    "responses tools": _response(tools=[FLAT_TOOL]),
    "responses settings": _response(instructions="Be short.", max_output_tokens=4, metadata={"a": "b"}, temperature=0.2),
    "responses parse": (lambda c, _: c.responses.parse(model=MODEL, input="?", text_format=Road),),
    "responses stream": _response(stream=True),
    "responses stream tools": _response(stream=True, tools=[FLAT_TOOL]),
    "responses stream helper": (lambda c, _: c.responses.stream(model=MODEL, input="How long is the road?"),),
    "responses kept": (
        lambda c, _: c.responses.create(model=MODEL, input="How long is the road?"),
        lambda c, r: c.responses.retrieve(r[0].id),
        lambda c, r: c.responses.retrieve(r[0].id, stream=True, starting_after=5),
        lambda c, r: c.responses.input_items.list(r[0].id, limit=1),
        lambda c, r: c.responses.create(model=MODEL, input="And back?", previous_response_id=r[0].id),
        lambda c, r: c.responses.delete(r[0].id),
    ),
    "responses cancelled": (
        lambda c, _: c.responses.create(model=MODEL, input="later", background=True),
        lambda c, r: c.responses.cancel(r[0].id),
    ),
    "responses counted": (lambda c, _: c.responses.input_tokens.count(model=MODEL, input="How long?"),),
    "responses compacted": (lambda c, _: c.responses.compact(model=MODEL, input="How long?"),),
    "embeddings": _embedding(),
    "embeddings float": _embedding(encoding_format="float", dimensions=16),
    "embeddings base64": _embedding(encoding_format="base64", input=["a", "b"]),
    "embeddings tokens": _embedding(input=[[1, 2], [3]], dimensions=8),
    "images": (lambda c, _: c.images.generate(model="gpt-image-1", prompt="a bridge", n=2),),
    "images stream": (lambda c, _: c.images.generate(model="gpt-image-1", prompt="a bridge", stream=True, partial_images=2),),
    "images edit": (lambda c, _: c.images.edit(model="gpt-image-1", prompt="two", image=[_picture(1), _picture(2)]),),
    "images edit stream": (lambda c, _: c.images.edit(model="gpt-image-1", prompt="two", image=_picture(1), stream=True),),
    "images variation": (lambda c, _: c.images.create_variation(image=_picture(3), n=2),),
    "speech": (_sound(),),
    "speech wav": (_sound(response_format="wav"),),
    "speech events": (_sound(stream_format="sse"),),
    "speech streamed": (
        lambda c, _: c.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input="a long road " * 200, response_format="pcm"
        ),
    ),
    "transcriptions": _heard(),
    "transcriptions verbose": _heard(response_format="verbose_json", timestamp_granularities=["word", "segment"]),
    "transcriptions text": _heard(response_format="text"),
    "transcriptions srt": _heard(response_format="srt"),
    "transcriptions vtt": _heard(response_format="vtt"),
    "transcriptions stream": _heard(stream=True),
    "translations": (lambda c, _: c.audio.translations.create(model="whisper-1", file=("a.wav", WAV)),),
    "moderations": (lambda c, _: c.moderations.create(input=["fine", "mock-flag"]),),
    "moderations model": (lambda c, _: c.moderations.create(input="fine", model="omni-moderation-latest"),),
    "models": (lambda c, _: c.models.list(),),
    "models retrieve": (
        lambda c, _: c.models.retrieve(MODEL),
        lambda c, _: c.models.retrieve("acme/roadrunner-7b"),
        lambda c, _: c.models.retrieve("ft:gpt-4o-mini:acme::abc123"),
    ),
    "models delete": (lambda c, _: c.models.delete("ft:gpt-4o-mini:acme::abc123"),),
    "files": (
        lambda c, _: c.files.create(file=("road map ü.bin", DATA), purpose="user_data"),
        lambda c, r: c.files.retrieve(r[0].id),
        lambda c, _: c.files.list(purpose="user_data", limit=3),
        lambda c, r: c.files.content(r[0].id),
        lambda c, r: c.files.content(r[0].id, extra_headers={"range": "bytes=10-19"}),
        lambda c, r: c.files.delete(r[0].id),
    ),
    "uploads": (
        lambda c, _: c.uploads.create(filename="all.bin", purpose="batch", bytes=6, mime_type="text/plain"),
        lambda c, r: c.uploads.parts.create(r[0].id, data=b"abc"),
        lambda c, r: c.uploads.parts.create(r[0].id, data=b"def"),
        lambda c, r: c.uploads.complete(r[0].id, part_ids=[r[1].id, r[2].id]),
        lambda c, r: c.files.content(r[3].file.id),
    ),
    "uploads cancelled": (
        lambda c, _: c.uploads.create(filename="none.bin", purpose="batch", bytes=6, mime_type="text/plain"),
        lambda c, r: c.uploads.cancel(r[0].id),
    ),
    "batches": (
        lambda c, _: c.batches.create(input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"),
        lambda c, r: c.batches.retrieve(r[0].id),
        lambda c, _: c.batches.list(limit=2),
        lambda c, r: c.batches.cancel(r[0].id),
    ),
    "fine tuning": (
        lambda c, _: c.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-1"),
        lambda c, r: c.fine_tuning.jobs.retrieve(r[0].id),
        lambda c, _: c.fine_tuning.jobs.list(limit=2),
        lambda c, r: c.fine_tuning.jobs.list_events(r[0].id),
        lambda c, r: c.fine_tuning.jobs.checkpoints.list(r[0].id),
        lambda c, r: c.fine_tuning.jobs.pause(r[0].id),
        lambda c, r: c.fine_tuning.jobs.resume(r[0].id),
        lambda c, r: c.fine_tuning.jobs.cancel(r[0].id),
    ),
    "vector stores": (
        lambda c, _: c.vector_stores.create(name="maps"),
        lambda c, r: c.vector_stores.retrieve(r[0].id),
        lambda c, r: c.vector_stores.update(r[0].id, name="atlases"),
        lambda c, r: c.vector_stores.files.create(r[0].id, file_id="file-1"),
        lambda c, r: c.vector_stores.files.list(r[0].id),
        lambda c, r: c.vector_stores.files.retrieve("file-1", vector_store_id=r[0].id),
        lambda c, r: c.vector_stores.search(r[0].id, query="bridge"),
        lambda c, r: c.vector_stores.files.delete("file-1", vector_store_id=r[0].id),
        lambda c, r: c.vector_stores.delete(r[0].id),
    ),
    "conversations": (
        lambda c, _: c.conversations.create(items=[{"type": "message", "role": "user", "content": "hi"}]),
        lambda c, r: c.conversations.retrieve(r[0].id),
        lambda c, r: c.conversations.update(r[0].id, metadata={"a": "b"}),
        lambda c, r: c.conversations.items.create(r[0].id, items=[{"type": "message", "role": "user", "content": "more"}]),
        lambda c, r: c.conversations.items.list(r[0].id),
        lambda c, r: c.conversations.items.retrieve(r[3].data[0].id, conversation_id=r[0].id),
        lambda c, r: c.conversations.items.delete(r[3].data[0].id, conversation_id=r[0].id),
        lambda c, r: c.conversations.delete(r[0].id),
    ),
    "videos": (
        lambda c, _: c.videos.create(prompt="a bridge", model="sora-2"),
        lambda c, r: c.videos.retrieve(r[0].id),
        lambda c, r: c.videos.download_content(r[0].id),
        lambda c, r: c.videos.delete(r[0].id),
    ),
    "realtime secret": (lambda c, _: c.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"}),),
}  # fmt: skip
