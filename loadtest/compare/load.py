"""What is sent to one side: the bench's load, with the key and headers of that side, and a new prompt in each request."""

from dataclasses import dataclass
from pathlib import Path

from ..bench.load import Load
from ..bench.servers import BUILD
from . import bodies
from .peers import KEY


@dataclass(frozen=True)
class Varied(Load):
    """``varied``: no two bodies are alike, so that no cache has the answer. Answers under way at the end are waited for."""

    headers: tuple[str, ...] = ()
    varied: bool = True

    def command(self, port: int) -> list[str]:
        """The load generator's command line."""
        words = [str(BUILD / "loadgen"), "-d", "-p", str(port), "-b", str(self.body)]
        words += ["-c", str(self.connections), "-t", str(self.seconds), "-w", str(self.warmup), "-r", str(self.rate)]
        for header in (f"Authorization: Bearer {KEY}", *self.headers):
            words += ["-H", header]
        if self.limit:
            words += ["-n", str(self.limit)]
        if self.varied:
            words += ["-v", bodies.MARK]
        return words


class Bodies:
    """Bodies as files that the load generator reads, each written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, *, prompt: int = bodies.KB, chunks: int = 50, pace_us: int | None = None) -> Path:
        """The file of this body."""
        path = self._folder / f"body-{prompt}-{chunks}-{pace_us}.json"
        if not path.exists():
            path.write_bytes(bodies.chat(prompt=prompt, chunks=chunks, pace_us=pace_us))
        return path
