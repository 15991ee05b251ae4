"""The official SDK's ordinary calls, each path family."""

import base64
import io
import struct
import wave
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from proxy.mock.server import Running

ASK = "How long is the road?"


@pytest.fixture
async def client(mock: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=mock.url, api_key="sk-test", max_retries=0) as made:
        yield made


async def test_chat(client: AsyncOpenAI) -> None:
    found = await client.chat.completions.create(model="small", messages=[{"role": "user", "content": ASK}])
    assert found._request_id
    assert found.usage is not None
    text = ""
    async with client.chat.completions.stream(
        model="small", messages=[{"role": "user", "content": ASK}], stream_options={"include_usage": True}
    ) as stream:
        async for made in stream:
            if made.type == "content.delta":
                text += made.delta
        final = await stream.get_final_completion()
    assert text == found.choices[0].message.content == final.choices[0].message.content
    assert final.usage == found.usage


async def test_chat_tools_through_the_stream_helper(client: AsyncOpenAI) -> None:
    tool = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
    }
    async with client.chat.completions.stream(
        model="small",
        messages=[{"role": "user", "content": ASK}],
        tools=[tool],  # type: ignore[list-item]
        extra_headers={"x-mock-tool-calls": "2"},
    ) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["look", "look"]
    assert final.choices[0].finish_reason == "tool_calls"


async def test_completions(client: AsyncOpenAI) -> None:
    found = await client.completions.create(model="small", prompt=["a", "b"], n=2, max_tokens=5, logprobs=1)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    stream = await client.completions.create(model="small", prompt="a", max_tokens=5, stream=True)
    text = "".join([chunk.choices[0].text async for chunk in stream])
    assert text == found.choices[0].text


async def test_responses(client: AsyncOpenAI) -> None:
    found = await client.responses.create(model="small", input=ASK)
    kinds = []
    numbers = []
    async with client.responses.stream(model="small", input=ASK) as stream:
        async for made in stream:
            kinds.append(made.type)
            numbers.append(made.sequence_number)
        final = await stream.get_final_response()
    assert final.output_text == found.output_text
    assert numbers == list(range(len(numbers)))
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert (await client.responses.retrieve(found.id)).output_text == found.output_text
    resumed = await client.responses.retrieve(found.id, stream=True, starting_after=5)
    assert [made.sequence_number async for made in resumed] == numbers[6:]
    assert [item.type async for item in client.responses.input_items.list(found.id)] == ["message"]
    assert (
        await client.responses.input_tokens.count(model="small", input=ASK)
    ).input_tokens == found.usage.input_tokens  # type: ignore[union-attr]
    background = await client.responses.create(model="small", input="later", background=True)
    assert background.status == "queued"
    assert (await client.responses.cancel(background.id)).status == "cancelled"
    await client.responses.delete(found.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(found.id)


async def test_responses_tools_and_limits(client: AsyncOpenAI) -> None:
    tool = {
        "type": "function",
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
        "strict": False,
    }
    async with client.responses.stream(model="small", input=ASK, tools=[tool]) as stream:  # type: ignore[list-item]
        kinds = [made.type async for made in stream]
        final = await stream.get_final_response()
    assert final.output[0].type == "function_call"
    assert "response.function_call_arguments.delta" in kinds
    assert kinds[-2:] == ["response.output_item.done", "response.completed"]
    short = await client.responses.create(model="small", input=ASK, max_output_tokens=3)
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match=r"resp_none. not found"):
        await client.responses.create(model="small", input=ASK, previous_response_id="resp_none")


async def test_embeddings(client: AsyncOpenAI) -> None:
    floats = await client.embeddings.create(model="text-embedding-3-small", input=ASK, encoding_format="float")
    packed = await client.embeddings.create(model="text-embedding-3-small", input=[ASK, "other"])
    assert len(floats.data[0].embedding) == 1536
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding)
    assert packed.data[1].embedding != packed.data[0].embedding
    small = await client.embeddings.create(model="e", input=[[1, 2], [3]], dimensions=8, encoding_format="float")
    assert [len(item.embedding) for item in small.data] == [8, 8]
    assert sum(value * value for value in small.data[0].embedding) == pytest.approx(1)


async def test_like_texts_lie_close(client: AsyncOpenAI) -> None:
    found = await client.embeddings.create(
        model="e", input=["the road to the mill is long", "the road to the mill is very long", "purple cats sing"]
    )
    first, near, far = (item.embedding for item in found.data)
    assert sum(a * b for a, b in zip(first, near, strict=True)) > 0.8
    assert sum(a * b for a, b in zip(first, far, strict=True)) < 0.3


async def test_models_and_moderations(client: AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert "acme/roadrunner-7b" in names
    for name in ("acme/roadrunner-7b", "ft:gpt-4o-mini:acme::abc123"):
        assert (await client.models.retrieve(name)).id == name
    assert (await client.models.delete("ft:gpt-4o-mini:acme::abc123")).deleted
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("missing-model")
    found = await client.moderations.create(input=["fine", "mock-flag"])
    assert [item.flagged for item in found.results] == [False, True]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_images(client: AsyncOpenAI) -> None:
    found = await client.images.generate(model="gpt-image-1", prompt="a bridge", n=2)
    picture = base64.b64decode((found.data or [])[1].b64_json or "")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (16, 16)
    edited = await client.images.edit(
        image=[("a.png", picture), ("b.png", picture)], prompt="two bridges", model="gpt-image-1", n=2
    )
    assert len(edited.data or []) == 2
    varied = await client.images.create_variation(image=("a.png", picture))
    assert varied.data
    stream = await client.images.generate(model="gpt-image-1", prompt="a bridge", stream=True, partial_images=2)
    assert [made.type async for made in stream] == ["image_generation.partial_image"] * 2 + [
        "image_generation.completed"
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_audio(client: AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="hello", response_format="wav"
    ) as answer:
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["transfer-encoding"] == "chunked"
        sound = await answer.read()
    with wave.open(io.BytesIO(sound)) as opened:
        assert opened.getframerate() == 8000
        assert opened.getnframes() > 1000
    mp3 = await client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert mp3.content.startswith(b"\xff\xfb")
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound))
    assert heard.text
    stream = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), stream=True)
    kinds = [made.type async for made in stream]
    assert kinds[-1] == "transcript.text.done"
    for form in ("text", "srt", "vtt"):
        assert heard.text in str(
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), response_format=form)
        )
    verbose = await client.audio.translations.create(
        model="whisper-1", file=("a.wav", sound), response_format="verbose_json"
    )
    assert verbose.segments


async def test_files_and_uploads(client: AsyncOpenAI) -> None:
    data = bytes(range(256)) * 40
    made = await client.files.create(file=("road map.bin", data), purpose="user_data")
    assert (made.bytes, made.filename) == (len(data), "road map.bin")
    for index in range(4):
        await client.files.create(file=(f"{index}.jsonl", b"{}\n"), purpose="batch")
    assert [item.filename async for item in client.files.list(purpose="batch", limit=2)] == [
        "3.jsonl",
        "2.jsonl",
        "1.jsonl",
        "0.jsonl",
    ]
    assert (await client.files.content(made.id)).content == data
    part = await client.files.with_raw_response.content(made.id, extra_headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        data[10:20],
        f"bytes 10-19/{len(data)}",
    )
    assert (await client.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)
    upload = await client.uploads.create(filename="all.bin", purpose="batch", bytes=6, mime_type="text/plain")
    parts = [await client.uploads.parts.create(upload.id, data=piece) for piece in (b"abc", b"def")]
    done = await client.uploads.complete(upload.id, part_ids=[piece.id for piece in parts])
    assert done.file is not None
    assert (await client.files.content(done.file.id)).content == b"abcdef"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_objects(client: AsyncOpenAI) -> None:
    batch = await client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    assert [item.id async for item in client.batches.list()] == [batch.id]
    job = await client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-1")
    assert [item.message async for item in client.fine_tuning.jobs.list_events(job.id)]
    assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
    store = await client.vector_stores.create(name="maps")
    await client.vector_stores.files.create(store.id, file_id="file-1")
    assert [item.id async for item in client.vector_stores.files.list(store.id)] == ["file-1"]
    assert [item async for item in client.vector_stores.search(store.id, query="bridge")] == []
    assert (await client.vector_stores.delete(store.id)).deleted
    conversation = await client.conversations.create(items=[{"type": "message", "role": "user", "content": "hi"}])
    assert len([item async for item in client.conversations.items.list(conversation.id)]) == 1
    await client.conversations.delete(conversation.id)
    video = await client.videos.create(prompt="a bridge")
    assert (await client.videos.download_content(video.id)).content[4:8] == b"ftyp"
    assert (await client.videos.delete(video.id)).deleted


async def test_sdk_retries_what_the_mock_fails(mock: Running) -> None:
    async with AsyncOpenAI(base_url=mock.url, api_key="sk-test", max_retries=2) as client:
        found = await client.chat.completions.create(
            model="small",
            messages=[{"role": "user", "content": ASK}],
            extra_headers={"x-mock-fault": "rate-limit:ms=5", "x-mock-fault-times": "2", "x-mock-fault-id": "r"},
        )
        assert found.choices
        with pytest.raises(openai.RateLimitError, match="exceeded your current quota"):
            await client.chat.completions.create(
                model="small",
                messages=[{"role": "user", "content": ASK}],
                extra_headers={"x-mock-fault": "quota", "x-mock-fault-times": "1", "x-mock-fault-id": "q"},
            )
