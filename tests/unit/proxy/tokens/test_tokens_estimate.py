"""Estimates from bytes: never below what ordinary text costs, never fooled by data, cheap whatever the body."""

import base64
import json
import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokens_corpus import ALL, AWKWARD, CODE, PROSE
from tokens_reference import count

from proxy.tokens.estimate import (
    ATTACHMENT_LIKELY,
    IMAGE_BOUND,
    IMAGE_LIKELY,
    MOST_HITS,
    estimate_prompt,
    estimate_text,
    likely_tokens,
)
from proxy.tokens.prompt import count_prompt


def chat(content: object, *, ascii_only: bool = False) -> bytes:
    return json.dumps(
        {"model": "gpt-4o", "messages": [{"role": "user", "content": content}]}, ensure_ascii=ascii_only
    ).encode()


@pytest.mark.parametrize("kind", PROSE | CODE)
@pytest.mark.parametrize("times", [1, 40])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_likely_is_enough_for_prose_and_code(kind: str, times: int, ascii_only: bool) -> None:
    body = chat(ALL[kind] * times, ascii_only=ascii_only)
    exact = count_prompt("chat", "gpt-4o", body)
    assert exact.source == "counted"
    assert exact.total <= estimate_prompt(body).likely <= 9 * exact.total


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_bound_holds_for_everything(kind: str, model: str) -> None:
    body = chat(AWKWARD[kind] * 20)
    assert count_prompt("chat", model, body).total <= estimate_prompt(body).bound


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=20))
def test_bound_holds_for_any_chat(contents: list[str]) -> None:
    messages = [{"role": "user", "content": content} for content in contents]
    body = json.dumps({"messages": messages}).encode()
    estimate = estimate_prompt(body)
    assert count_prompt("chat", "gpt-4o", body).total <= estimate.bound
    assert estimate.likely <= estimate.bound


def test_text_is_estimated_by_its_utf8_bytes() -> None:
    assert estimate_text("abcde") == 2
    assert estimate_text("中") == 2
    assert estimate_text("") == 0
    assert estimate_text(ALL["english"]) >= count(ALL["english"])


DATA = base64.b64encode(random.Random(1).randbytes(300_000)).decode()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + DATA}},
        {"type": "image_url", "image_url": {"detail": "low", "url": "data:image/png;base64," + DATA}},
        {"type": "input_image", "image_url": "data:image/webp;base64," + DATA},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_images_are_not_text(part: dict[str, object], separators: tuple[str, str]) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": ["Hello", part]}]}, separators=separators).encode()
    estimate = estimate_prompt(body)
    assert IMAGE_LIKELY < estimate.likely < IMAGE_LIKELY + 100
    assert IMAGE_BOUND < estimate.bound < IMAGE_BOUND + 250


@pytest.mark.parametrize("first", ["data", "format"])
def test_recordings_are_not_text(first: str) -> None:
    audio = {"data": DATA, "format": "wav"} if first == "data" else {"format": "wav", "data": DATA}
    estimate = estimate_prompt(chat([{"type": "input_audio", "input_audio": audio}]))
    assert 300 < estimate.likely < 500
    assert 3_000 <= estimate.bound < 3_300


def test_files_are_not_text_but_cost_by_their_bytes() -> None:
    estimate = estimate_prompt(chat([{"type": "file", "file": {"file_data": "data:application/pdf;base64," + DATA}}]))
    assert estimate.likely == pytest.approx(75_000, rel=0.01)
    assert estimate.bound == pytest.approx(300_000, rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + "x" * 10_000,
        ";base64," + "x" * 10_000,
        '"image_url":"data:image/png;base64,' + "x" * 10_000,
        '"type":"image_url","image_url":{"url":"data:image/png;base64,' + "x" * 10_000,
        '"input_audio":{"data":"' + "x" * 10_000,
    ],
)
def test_text_cannot_pass_itself_off_as_data(text: str) -> None:
    for body in (chat(text), chat([{"type": "text", "text": text}])):
        assert estimate_prompt(body).bound == len(body) + 16


def test_data_with_spaces_is_text() -> None:
    body = chat([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "real words " * 1000}}])
    assert estimate_prompt(body).bound == len(body) + 16 + IMAGE_BOUND


@pytest.mark.parametrize(
    "unit",
    [
        b"_",
        b"_ur",
        b'_id"',
        b";base64,",
        b'";base64,"',
        b'"input_audio"',
        b'"image_url":"data:;base64,",',
        b'"input_audio":{"data":"',
        b'"data:',
    ],
)
def test_bodies_made_of_markers_cost_no_time(unit: bytes) -> None:
    body = b'{"type":' + unit * (4_000_000 // len(unit))
    started = process_time()
    estimate = estimate_prompt(body)
    assert process_time() - started < 0.2
    assert estimate.bound > len(body) - MOST_HITS * 64


@pytest.mark.parametrize(
    ("part", "likely", "bound"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, IMAGE_LIKELY, IMAGE_BOUND),
        ({"type": "input_image", "image_url": "https://example.com/a.png"}, IMAGE_LIKELY, IMAGE_BOUND),
        ({"type": "input_image", "file_id": "file-1"}, ATTACHMENT_LIKELY, IMAGE_BOUND),
        ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, ATTACHMENT_LIKELY, IMAGE_BOUND),
        ({"type": "text", "text": "An image_url, a file_id."}, 0, 0),
        ({"type": "object", "properties": {"image_url": {"type": "string"}}}, 0, 0),
    ],
)
def test_attachments_that_are_elsewhere(part: dict[str, object], likely: int, bound: int) -> None:
    body = chat([part])
    estimate = estimate_prompt(body)
    assert estimate.likely == likely_tokens(len(body)) + likely
    assert estimate.bound == len(body) + 16 + bound


def test_many_attachments_are_each_cut_out() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 10_000, "format": "mp3"}}
    file = {"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64," + "A" * 10_000}}
    body = chat([image, audio, {"type": "text", "text": "Hello"}, file] * 50)
    estimate = estimate_prompt(body)
    text = len(body) - 150 * 10_000
    assert estimate.likely == likely_tokens(text) + 50 * (IMAGE_LIKELY + 7500 // 800 + 7500 // 4)
    assert estimate.bound == text + 16 + 50 * (IMAGE_BOUND + 75 + 7500)


@given(st.binary(max_size=500))
def test_no_bytes_raise(body: bytes) -> None:
    for extra in (
        b"",
        b'"image_url":"data:image/png;base64,',
        b'"input_audio":{"data":"',
        b'"file_data":"data:',
        b'"file_id":',
    ):
        estimate = estimate_prompt(b'"type"' + extra + body)
        assert 0 <= estimate.likely <= estimate.bound


def test_likely_rounds_up() -> None:
    assert [likely_tokens(size) for size in (0, 1, 5, 6)] == [0, 1, 2, 3]
