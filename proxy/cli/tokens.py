"""``tollway tokens``: the tokens of a request body or a text, counted here, without a gateway and without a network."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click
import msgspec
from msgspec.structs import asdict

if TYPE_CHECKING:
    from ..tokens.encodings import EncodingName

Kind = Literal["chat", "completions", "responses", "embeddings", "text"]

PARTS = ("text", "tools", "response_format", "images", "audio", "files", "overhead")


@click.command("tokens", short_help="Count the tokens of a request or a text.")
@click.argument("file", metavar="FILE|-")
@click.option("--model", "-m", help="Model to count for; else the body's own, else gpt-4o.")
@click.option(
    "--encoding",
    type=click.Choice(["o200k_base", "cl100k_base"]),
    help="Count with this vocabulary, whatever the model.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "chat", "completions", "responses", "embeddings", "text"]),
    default="auto",
    show_default=True,
    help="What FILE holds; auto tells a JSON request body from plain text.",
)
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True)
def tokens(file: str, model: str | None, encoding: "EncodingName | None", kind: str, output: str) -> None:
    """Count the tokens of FILE, a JSON request body or plain text ("-" reads standard input).

    Counts are "counted" where the model's own vocabulary did it and "estimated" elsewhere.
    """
    data = _read(file)
    body = None if kind == "text" else _body(data, file, required=kind != "auto")
    if body is None:
        found: Kind = "text"
    else:
        found = _detect(body) if kind == "auto" else cast("Kind", kind)

    own = body.get("model") if body is not None and found != "text" else None
    asked = model or (own if isinstance(own, str) else None) or "gpt-4o"
    click.echo(_render(_count(data, found, asked, encoding), output))


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(
            f"Cannot read {file}: {error.strerror}. Name a file, or - for standard input."
        ) from error


def _body(data: bytes, file: str, *, required: bool) -> dict[str, object] | None:
    """The JSON object in ``data``; None if it is something else and need not be one."""
    if not required and not data.lstrip().startswith(b"{"):
        return None
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(
            f"{'Standard input' if file == '-' else file} is not valid JSON: {error}. To count it as plain text, add --as text."
        ) from error
    if not isinstance(body, dict):
        raise click.ClickException(
            f"A request body is a JSON object, this is {type(body).__name__}. Add --as text to count it as text."
        )
    return body


def _detect(body: dict[str, object]) -> Kind:
    if "messages" in body:
        return "chat"
    if "prompt" in body and "input" not in body:
        return "completions"
    if "input" in body:
        model = body.get("model")
        return "embeddings" if isinstance(model, str) and "embed" in model else "responses"
    return "text"


def _count(data: bytes, kind: Kind, model: str, encoding: "EncodingName | None") -> dict[str, object]:
    from ..tokens.bpe import SHIPPED, VocabularyError
    from ..tokens.encodings import tokenizer_for
    from ..tokens.prompt import count_prompt
    from ..tokens.text import count_for

    tokenizer = tokenizer_for(model, encoding=encoding)
    try:
        SHIPPED.encoding(tokenizer.vocabulary)
    except VocabularyError as error:
        raise click.ClickException(str(error)) from error

    result: dict[str, object] = {"model": model, "kind": kind, "encoding": tokenizer.encoding}
    if kind == "text":
        counted = count_for(tokenizer, data.decode("utf-8", "replace"))
        return result | {"total": counted.tokens, "text": counted.tokens, "source": counted.source}
    return result | asdict(count_prompt(kind, model, data, encoding=encoding))


def _render(count: dict[str, object], output: str) -> str:
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(count), indent=2).decode()
    rows = [(part, count[part]) for part in PARTS if count.get(part)]
    head = [(key, count[key]) for key in ("model", "kind", "encoding", "source")]
    width = max(len(str(count["total"])), *(len(str(value)) for _, value in rows), 1)
    lines = [f"{name:16} {value}" for name, value in head]
    lines += [f"{name:16} {value:>{width}}" for name, value in rows]
    lines.append(f"{'total':16} {count['total']:>{width}}")
    if count.get("images_estimated"):
        lines.append(f"{count['images_estimated']} image(s) of unknown size, taken at the most they can cost")
    return "\n".join(lines)
