"""The WebSockets: /realtime (a session that answers in text, echoes what it is sent) and /responses."""

import asyncio
import contextlib
from time import monotonic_ns

import orjson
from aiohttp import WSMsgType, web

from .compose import Wish, compose
from .reply import STAMP, Call, Object, Refused, object_of
from .responses import events, respond
from .text import identifier, text_tokens

MAX_FRAME = 64 * 1024 * 1024


async def converse(request: web.BaseRequest, call: Call) -> web.StreamResponse:
    """Hold the conversation until either side closes."""
    if call.path not in ("/realtime", "/responses"):
        raise Refused(f"Invalid URL ({call.method} /v1{call.path})", status=404)
    offered = [item.strip() for item in call.headers.get("sec-websocket-protocol", "").split(",")]
    socket = web.WebSocketResponse(
        max_msg_size=MAX_FRAME, compress=False, protocols=[name for name in ("realtime",) if name in offered]
    )
    for name, value in call.controls.reply_headers:
        socket.headers.add(name, value)
    await asyncio.sleep(call.controls.head_delay / 1000)
    await socket.prepare(request)
    session = _Session(socket, call)
    with contextlib.suppress(ConnectionError):
        await session.run()
    return socket


class _Session:
    """One open WebSocket; its events are numbered, so that their ids depend on nothing else."""

    def __init__(self, socket: web.WebSocketResponse, call: Call) -> None:
        self._socket = socket
        self._call = call
        self._realtime = call.path == "/realtime"
        self._heard: list[object] = []
        self._sent = 0

    async def run(self) -> None:
        if self._realtime:
            await self._send("session.created", session=self._session())
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                await self._socket.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT and await self._hear(message.data):
                return

    async def _hear(self, text: str) -> bool:
        """React to one text frame; true when it was told to close."""
        try:
            said: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            await self._fail("The event could not be parsed as JSON.", "invalid_json")
            return False
        match said.get("type"):
            case "mock.close":
                code, reason = said.get("code"), said.get("reason")
                await self._socket.close(
                    code=code if isinstance(code, int) else 1000, message=str(reason or "").encode()[:123]
                )
                return True
            case "response.create" if self._realtime:
                await self._answer(said)
            case "response.create":
                await self._respond(said)
            case "session.update":
                await self._send("session.updated", session={**self._session(), **object_of(said, "session")})
            case "conversation.item.create":
                self._heard.append(said.get("item"))
                await self._send("conversation.item.added", item=said.get("item"))
                await self._send("conversation.item.done", item=said.get("item"))
            case _:
                await self._send("mock.echo", event=said)
        return False

    async def _respond(self, said: Object) -> None:
        try:
            response, answer = respond(self._call, said)
        except Refused as refused:
            await self._fail(str(refused), str(refused.error["code"]))
            return
        for made in events(response, answer, self._call.controls):
            await self._text(made)

    async def _answer(self, said: Object) -> None:
        controls = self._call.controls
        seed = self._call.derive("realtime", self._heard, said)
        answer = compose(seed, Wish(), controls)
        key, item = identifier("resp_", seed), identifier("item_", seed)
        head: Object = {"object": "realtime.response", "id": key, "output_modalities": ["text"]}
        await self._send("response.created", response={**head, "status": "in_progress", "output": [], "usage": None})
        place: Object = {"response_id": key, "item_id": item, "output_index": 0, "content_index": 0}
        await asyncio.sleep(controls.first_token / 1000)
        for index, piece in enumerate(answer.pieces):
            if index and controls.pace:
                await asyncio.sleep(controls.pace / 1000)
            await self._send(
                "response.output_text.delta", **place, delta=piece + (STAMP.decode() if controls.stamp else "")
            )
        await self._send("response.output_text.done", **place, text=answer.text)
        said_back: Object = {
            "id": item,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": answer.text}],
        }
        read = 3 + text_tokens(orjson.dumps([self._heard, said]).decode())
        usage: Object | None = {
            "total_tokens": read + answer.tokens,
            "input_tokens": read,
            "output_tokens": answer.tokens,
            "input_token_details": {"text_tokens": read, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": answer.tokens, "audio_tokens": 0},
        }
        done = {
            **head,
            "status": "completed",
            "output": [said_back],
            "usage": None if controls.usage is False else usage,
        }
        await self._send("response.done", response=done)

    async def _fail(self, message: str, code: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
        await self._send("error", error=error)

    def _session(self) -> Object:
        return {
            "object": "realtime.session",
            "id": identifier("sess_", self._call.derive("session", self._call.query_string)),
            "model": self._call.query.get("model", "gpt-realtime"),
            "output_modalities": ["text"],
            "type": "realtime",
        }

    async def _send(self, kind: str, **members: object) -> None:
        self._sent += 1
        key = identifier("event_", self._call.derive("event", self._call.query_string, self._sent))
        await self._text({"type": kind, "event_id": key, **members})

    async def _text(self, made: Object) -> None:
        data = orjson.dumps(made)
        if self._call.controls.stamp:
            data = data.replace(STAMP, b"@%d" % monotonic_ns())
        await self._socket.send_str(data.decode())
