"""Credentials that do not print, and the references that keep them out of the file.

``${VAR}``, ``${VAR:-default}`` and ``$${`` work anywhere in a text, ``file:PATH`` is a whole value. What a reference brings
in is never read again as YAML, as a reference or as a path.
"""

import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Self, final

MASK = "***"
MAX_FILE = 1024 * 1024
"""Bytes of a ``file:`` reference."""

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")


@final
class Secret:
    """A text that only ``reveal()`` gives out. Compared in constant time; neither printed nor pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends or hashes it."""
        return self._text

    def masked(self) -> str:
        """``***``, with the last four characters where the text is long enough to stay secret."""
        return f"{MASK}{self._text[-4:]}" if len(self._text) >= 24 else MASK

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: load the configuration again in the other process")


class Hidden(str):
    """Text that a reference brought into free-form settings: a plain text to whoever uses it, masked where it is shown."""

    __slots__ = ()


def decode_secret(kind: type, value: object) -> Secret:
    """``dec_hook`` for msgspec."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("expected text")


def encode_secret(value: object) -> str:
    """``enc_hook`` for msgspec: the mask, never the text."""
    if isinstance(value, Secret):
        return MASK
    raise NotImplementedError(type(value).__name__)


class BadReference(Exception):
    """A reference that leads nowhere; the sentence names the variable or file, never a value."""


class References:
    """Resolves the references of one load. ``files`` collects what was read or looked for, as given paths."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self.files: list[str] = []

    def resolve(self, text: str) -> tuple[str, bool]:
        """The text with its references replaced, and whether anything was. Raises BadReference."""
        if text.startswith("file:"):
            return self._read(self._expand(text[len("file:") :])), True
        expanded = self._expand(text)
        return expanded, "${" in text

    def _expand(self, text: str) -> str:
        return _REFERENCE.sub(self._replace, text) if "${" in text else text

    def _replace(self, match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        if name is None:
            raise BadReference(
                'a reference looks like "${VAR}" or "${VAR:-default}"; write "$${" for the two characters themselves'
            )
        value = self._environ.get(name)
        if match["default"] is not None:
            return value or match["default"]
        if value is None:
            raise BadReference(
                f'environment variable {name} is not set: export it, or give a default as "${{{name}:-…}}"'
            )
        return value

    def _read(self, name: str) -> str:
        if not name or "\0" in name:
            raise BadReference('"file:" needs a path: file:/run/secrets/name')
        path = self._folder / name
        self.files.append(str(path))
        try:
            if not path.is_file():
                raise BadReference(f"file {path} does not exist or is not a file")
            with path.open("rb") as stream:
                data = stream.read(MAX_FILE + 1)
        except OSError as error:
            raise BadReference(f"file {path} cannot be read: {error.strerror or type(error).__name__}") from None
        if len(data) > MAX_FILE:
            raise BadReference(f"file {path} is larger than {MAX_FILE} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise BadReference(f"file {path} is not UTF-8 text")
        return text.rstrip("\r\n")
