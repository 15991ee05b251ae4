"""Images and audio: tiny, but real PNG, WAV and MP3."""

import math
import struct
import zlib
from array import array
from base64 import b64encode
from collections.abc import Iterator

import orjson

from .compose import Wish, compose
from .multipart import form_of
from .reply import SSE, Call, Object, Refused, Reply, count_of, event, flag_of, json_reply, model_of, required, text_of
from .store import Route
from .text import created, digest, text_tokens

_SIDE = 16
_RATE = 8000
_SLICE = 1024
_KINDS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def png(seed: int) -> bytes:
    """Return a square of 16 by 16 pixels whose two colours come from the seed."""
    colours = (seed & 0xFFFFFF).to_bytes(3, "big"), (seed >> 24 & 0xFFFFFF).to_bytes(3, "big")
    rows = b"".join(
        b"\0" + b"".join(colours[(across // 4 + down // 4) % 2] for across in range(_SIDE)) for down in range(_SIDE)
    )

    def block(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")


def pcm(seed: int, seconds: float) -> bytes:
    """Return a tone as 16-bit mono samples at 8 kHz."""
    pitch = 200 + seed % 400
    return array(
        "h", (int(8000 * math.sin(2 * math.pi * pitch * n / _RATE)) for n in range(int(_RATE * seconds)))
    ).tobytes()


def wav(samples: bytes) -> bytes:
    """Return the samples with a WAV head."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, _RATE * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(samples))
        + b"WAVE"
        + head
        + b"data"
        + struct.pack("<I", len(samples))
        + samples
    )


def mp3(frames: int) -> bytes:
    """Return silence: MPEG-1 layer III frames of 128 kbit/s at 44.1 kHz."""
    return (b"\xff\xfb\x90\x64" + bytes(413)) * frames


def images(call: Call) -> Reply:
    """Answer a generation, edit or variation with PNGs, or stream the partial pictures and the last."""
    multipart = not call.is_json
    operation = call.path.rsplit("/", 1)[-1]
    if multipart:
        form = form_of(call)
        document = form.document()
        sent = [part.data for part in form.files("image", "image[]")]
        if not sent:
            raise Refused("Missing required parameter: 'image'.", param="image", code="missing_required_parameter")
    else:
        document, sent = call.document(), []
    if operation != "variations":
        required(document, "prompt")
    if multipart:
        document = _numbers(document, "n", "partial_images", stream="stream")
    seed = call.derive("image", operation, document.get("prompt"), b"".join(sent))
    count = count_of(document, "n", least=1, most=10) or 1
    model = text_of(document, "model", "gpt-image-1")
    pictures = [b64encode(png(digest(seed.to_bytes(8, "little"), bytes([index])))).decode() for index in range(count)]
    words = text_tokens(text_of(document, "prompt"))
    usage: Object = {
        "input_tokens": words,
        "input_tokens_details": {"image_tokens": 85 * len(sent), "text_tokens": words},
        "output_tokens": 272 * count,
        "total_tokens": words + 85 * len(sent) + 272 * count,
    }
    usage["input_tokens"] = words + 85 * len(sent)
    if flag_of(document, "stream"):
        kind = "image_edit" if operation == "edits" else "image_generation"
        partial = count_of(document, "partial_images", least=0, most=3) or 0
        return Reply(content_type=SSE, frames=_picture_events(kind, seed, partial, pictures[0], usage))
    data: list[Object] = [{"b64_json": picture} for picture in pictures]
    if document.get("response_format") == "url" or (model.startswith("dall-e") and "response_format" not in document):
        data = [{"url": f"https://images.example.com/{seed:016x}-{index}.png"} for index in range(count)]
    whole: Object = {"created": created(seed), "data": data}
    if not model.startswith("dall-e"):
        whole |= {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024", "usage": usage}
    return json_reply(whole)


def _numbers(document: Object, *names: str, stream: str) -> Object:
    """Return the form's fields with counts and the switch as JSON would carry them."""
    read = dict(document)
    for name in names:
        value = read.get(name)
        if isinstance(value, str):
            if not value.isdigit():
                raise Refused(f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
            read[name] = int(value)
    read[stream] = str(read.get(stream, "")).lower() in ("true", "1")
    return read


def _picture_events(kind: str, seed: int, partial: int, picture: str, usage: Object) -> Iterator[bytes]:
    common: Object = {
        "created_at": created(seed),
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
    }
    for index in range(partial):
        rough = b64encode(png(seed + index)).decode()
        made = {"type": f"{kind}.partial_image", "b64_json": rough, "partial_image_index": index, **common}
        yield event(orjson.dumps(made), f"{kind}.partial_image")
    done = {"type": f"{kind}.completed", "b64_json": picture, **common, "usage": usage}
    yield event(orjson.dumps(done), f"{kind}.completed")


def speech(call: Call) -> Reply:
    """Answer with a tone (WAV, PCM) or silence (MP3) of a length that follows the text; other formats carry WAV."""
    document = call.document()
    model_of(document)
    words = str(required(document, "input"))
    required(document, "voice")
    form = text_of(document, "response_format", "mp3")
    if form not in _KINDS:
        raise Refused(
            f"Invalid value: '{form}'. Supported values are: {', '.join(_KINDS)}.",
            param="response_format",
            code="invalid_value",
        )
    seconds = min(0.2 + len(words) / 200, 20)
    seed = call.derive("speech", words)
    samples = b"" if form == "mp3" else pcm(seed, seconds)
    sound = mp3(int(seconds * 38) + 1) if form == "mp3" else samples if form == "pcm" else wav(samples)
    slices = (sound[at : at + _SLICE] for at in range(0, len(sound), _SLICE))
    if document.get("stream_format") == "sse":
        return Reply(content_type=SSE, frames=_speech_events(slices, text_tokens(words), len(sound) // _SLICE))
    return Reply(content_type=_KINDS[form], frames=slices)


def _speech_events(slices: Iterator[bytes], read: int, written: int) -> Iterator[bytes]:
    for part in slices:
        yield event(orjson.dumps({"type": "speech.audio.delta", "audio": b64encode(part).decode()}))
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    yield event(orjson.dumps({"type": "speech.audio.done", "usage": usage}))


def transcription(call: Call) -> Reply:
    """Answer with a text that depends on the sound's bytes."""
    form = form_of(call)
    sound = form.file("file")
    model_of({"model": form.text("model") or None})
    answer = compose(call.derive("transcription", sound.data), Wish(), call.controls)
    shape = form.text("response_format", "json")
    seconds = max(sound.size / 16_000, 0.1)
    usage: Object = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"audio_tokens": 14, "text_tokens": 0},
        "output_tokens": answer.tokens,
        "total_tokens": 14 + answer.tokens,
    }
    if form.text("stream").lower() in ("true", "1"):
        return Reply(content_type=SSE, frames=_heard(answer.pieces, usage))
    text = answer.text
    match shape:
        case "json":
            return json_reply({"text": text, "usage": usage})
        case "text":
            return _plain(text + "\n")
        case "srt":
            return _plain(f"1\n00:00:00,000 --> {_clock(seconds, ',')}\n{text}\n\n")
        case "vtt":
            return _plain(f"WEBVTT\n\n00:00:00.000 --> {_clock(seconds, '.')}\n{text}\n\n")
        case "verbose_json" | "diarized_json":
            return json_reply(_verbose(call, text, seconds, shape))
    raise Refused(f"Invalid value: '{shape}'.", param="response_format", code="invalid_value")


def _plain(text: str) -> Reply:
    return Reply(content_type="text/plain; charset=utf-8", body=text.encode())


def _clock(seconds: float, point: str) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{int(seconds % 1 * 1000):03}"


def _verbose(call: Call, text: str, seconds: float, shape: str) -> Object:
    if shape == "diarized_json":
        said = {
            "type": "transcript.text.segment",
            "id": "seg_0",
            "start": 0.0,
            "end": seconds,
            "text": text,
            "speaker": "A",
        }
        return {"task": "transcribe", "duration": seconds, "text": text, "segments": [said]}
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    return {
        "task": "translate" if call.path.endswith("translations") else "transcribe",
        "language": "english",
        "duration": seconds,
        "text": text,
        "segments": [segment],
        "usage": {"type": "duration", "seconds": math.ceil(seconds)},
    }


def _heard(pieces: list[str], usage: Object) -> Iterator[bytes]:
    for piece in pieces:
        yield event(orjson.dumps({"type": "transcript.text.delta", "delta": piece}))
    yield event(orjson.dumps({"type": "transcript.text.done", "text": "".join(pieces), "usage": usage}))


def voices(call: Call) -> Reply:
    names = ("alloy", "echo", "sage")
    return json_reply(
        {"object": "list", "data": [{"id": name, "object": "audio.voice", "name": name} for name in names]}
    )


ROUTES = (
    Route("POST", "/images/generations", images),
    Route("POST", "/images/edits", images),
    Route("POST", "/images/variations", images),
    Route("POST", "/audio/speech", speech),
    Route("POST", "/audio/transcriptions", transcription),
    Route("POST", "/audio/translations", transcription),
    Route("GET", "/audio/voices", voices),
)
