"""The load of the comparison: every request has a prompt of its own, byte for byte as wide, whatever the sockets take at a time."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from loadtest.bench.servers import build
from loadtest.compare import bodies
from loadtest.compare.load import Bodies, Varied
from loadtest.compare.peers import KEY

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="the load generator is C, and there is no compiler")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    build()


@asynccontextmanager
async def listening(seen: list[tuple[bytes, bytes]], *, pause: float = 0) -> AsyncIterator[int]:
    """A server that keeps heads and bodies; it reads after ``pause`` seconds, so that large requests wait half written."""

    open_ones: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            while True:
                await asyncio.sleep(pause)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                seen.append((head, await reader.readexactly(length)))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.wait_for(asyncio.gather(*open_ones), 5)


async def sent(load: Varied, *, pause: float = 0) -> tuple[list[tuple[bytes, bytes]], dict[str, object]]:
    """What reached the server, and what the load generator said."""
    seen: list[tuple[bytes, bytes]] = []
    async with listening(seen, pause=pause) as port:
        program = await asyncio.create_subprocess_exec(*load.command(port), stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(program.communicate(), 20)
    return seen, json.loads(out)


NUMBER_LAST = b'{"filler":"%s","number":"%s"}' % (b"x" * 5_000_000, bodies.MARK.encode())
"""What comes before the number is more than sockets take at once."""


@pytest.mark.parametrize(("body", "pause"), [(bodies.chat(), 0), (NUMBER_LAST, 0.05)], ids=["whole", "in pieces"])
async def test_no_two_prompts_are_alike_and_nothing_else_differs(tmp_path: Path, body: bytes, pause: float) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(body)
    seen, said = await sent(Varied(file, connections=4, seconds=20, warmup=0, limit=24), pause=pause)
    assert said["total_requests"] == len(seen) == 24
    before, after = body.split(bodies.MARK.encode())
    found = [body for _, body in seen]
    assert all(body.startswith(before) and body.endswith(after) for body in found)
    numbers = {body[len(before) : len(body) - len(after)] for body in found}
    assert len(numbers) == 24
    assert all(len(number) == len(bodies.MARK) and number.isdigit() for number in numbers)


async def test_a_second_run_asks_nothing_that_the_first_asked(tmp_path: Path) -> None:
    load = Varied(Bodies(tmp_path).file(), connections=2, seconds=5, warmup=0, limit=20)
    first, _ = await sent(load)
    second, _ = await sent(load)
    assert not {body for _, body in first} & {body for _, body in second}


async def test_the_exact_hit_asks_the_same_again(tmp_path: Path) -> None:
    load = Varied(Bodies(tmp_path).file(), connections=2, seconds=5, warmup=0, limit=10, varied=False)
    seen, _ = await sent(load)
    assert len({body for _, body in seen}) == 1


async def test_each_side_gets_the_key_and_its_own_headers(tmp_path: Path) -> None:
    load = Varied(Bodies(tmp_path).file(), 1, 5, warmup=0, limit=1, headers=("x-own: 1",))
    ((head, _),), _ = await sent(load)
    assert f"Authorization: Bearer {KEY}\r\nx-own: 1\r\n".encode() in head


async def test_answers_under_way_at_the_end_are_waited_for(tmp_path: Path) -> None:
    load = Varied(Bodies(tmp_path).file(), connections=5, seconds=0.05, warmup=0)
    seen, said = await sent(load, pause=0.3)
    assert said["total_requests"] == len(seen) == 5
    assert said["in_flight"] == 0


@pytest.mark.parametrize("size", [bodies.KB, 10 * bodies.KB, 1000 * bodies.KB])
def test_a_prompt_is_as_long_as_it_says_and_has_one_place_for_the_number(size: int) -> None:
    body = bodies.chat(prompt=size)
    assert len(json.loads(body)["messages"][1]["content"]) == size
    assert body.count(bodies.MARK.encode()) == 1
