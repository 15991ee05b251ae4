"""The messages of a Messages request: roles, blocks, and the pairing of tool calls with their results."""

import re

from .claude import Claude
from .reply import Object, Refused
from .signature import issued

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_USER = ("text", "image", "document", "search_result", "tool_result", "container_upload")
_ASSISTANT = ("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "document", "compaction")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def check_messages(document: Object, limits: Claude, version: str, *, thinking: bool) -> None:
    """Refuse messages that the API refuses."""
    messages = document.get("messages")
    if messages is None:
        raise Refused("messages: Field required")
    if not isinstance(messages, list):
        raise Refused("messages: Input should be a valid list")
    if not messages:
        raise Refused("messages: at least one message is required")
    turns: list[tuple[str, list[Object]]] = []
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Refused(f"messages.{index}: Input should be a valid dictionary")
        role = message.get("role")
        if role not in ("user", "assistant", "system") or (role == "system" and not limits.inline_system):
            raise Refused(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        blocks = _blocks(message, index, last=index == len(messages) - 1)
        for place, block in enumerate(blocks):
            _check_block(block, str(role), f"messages.{index}.content.{place}", version)
        if role == "system":
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((str(role), list(blocks)))
    if not turns or turns[0][0] != "user":
        raise Refused('messages: first message must use the "user" role')
    _check_pairs(turns)
    _check_last(turns, limits, thinking=thinking)


def _blocks(message: Object, index: int, *, last: bool) -> list[Object]:
    content = message.get("content")
    if content is None:
        raise Refused(f"messages.{index}.content: Field required")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise Refused(f"messages.{index}.content: Input should be a valid list")
    if not content and not (last and message.get("role") == "assistant"):
        raise Refused(
            f"messages.{index}: all messages must have non-empty content except for the optional final assistant message"
        )
    return content


def _check_block(block: Object, role: str, where: str, version: str) -> None:
    kind = block.get("type")
    known = _ASSISTANT if role == "assistant" else _USER
    if kind not in known and not str(kind).endswith("_tool_result"):
        expected = ", ".join(f"'{name}'" for name in known)
        raise Refused(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}"
        )
    match kind:
        case "text":
            _check_text(block, role, where, version)
        case "image":
            _check_image(block, where)
        case "document" if role == "assistant" and version == "2026-10-21":
            raise Refused(f"{where}: document blocks are not permitted in assistant messages")
        case "thinking":
            _check_thinking(block, where)
        case "redacted_thinking" if not issued(str(block.get("data")), "redacted", ""):
            raise Refused(f"{where}: Invalid `data` in `redacted_thinking` block")
        case "tool_use" | "tool_result":
            _check_tool(block, where)
        case _:
            pass


def _check_text(block: Object, role: str, where: str, version: str) -> None:
    text = block.get("text")
    if not isinstance(text, str):
        raise Refused(f"{where}.text.text: Field required")
    if not text:
        raise Refused("messages: text content blocks must be non-empty")
    if not text.strip():
        raise Refused("messages: text content blocks must contain non-whitespace text")
    if block.get("citations") and role == "user" and version == "2026-10-21":
        raise Refused(f"{where}.text.citations: Extra inputs are not permitted")


def _check_image(block: Object, where: str) -> None:
    source = block.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if not isinstance(source, dict) or kind not in ("base64", "url", "file"):
        raise Refused(
            f"{where}.image.source: Input tag does not match any of the expected tags: 'base64', 'url', 'file'"
        )
    if kind == "base64" and source.get("media_type") not in _IMAGES:
        raise Refused(f"{where}.image.source.base64.media_type: Input should be {', '.join(map(repr, _IMAGES))}")
    if kind == "url" and not str(source.get("url")).startswith("https://"):
        raise Refused(f"{where}.image.source.url: Only HTTPS URLs are supported.")


def _check_thinking(block: Object, where: str) -> None:
    text, signature = block.get("thinking"), block.get("signature")
    if not isinstance(text, str):
        raise Refused(f"{where}.thinking.thinking: Field required")
    if not isinstance(signature, str):
        raise Refused(f"{where}.thinking.signature: Field required")
    if not issued(signature, "thinking", text):
        raise Refused(f"{where}: Invalid `signature` in `thinking` block")


def _check_tool(block: Object, where: str) -> None:
    kind = str(block["type"])
    name = "id" if kind == "tool_use" else "tool_use_id"
    found = block.get(name)
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise Refused(f"{where}.{kind}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise Refused(f"{where}.tool_use.input: Input should be a valid dictionary")
    content = block.get("content")
    if kind == "tool_result" and isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") == "text" and not part.get("text"):
                raise Refused(f"{where}.tool_result: text content blocks must be non-empty")


def _check_pairs(turns: list[tuple[str, list[Object]]]) -> None:
    """Every tool_use is answered at the start of the next message, and nothing else is."""
    waiting: list[object] = []
    for index, (role, blocks) in enumerate(turns):
        if role == "assistant":
            waiting = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
            if len(set(waiting)) < len(waiting):
                raise Refused("messages: `tool_use` ids must be unique")
            continue
        answered = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        for found in answered:
            if found not in waiting:
                raise Refused(
                    f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {found}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if any(block.get("type") != "tool_result" for block in blocks[: len(answered)]):
            raise _unanswered(index - 1, waiting)
        if missing := [found for found in waiting if found not in answered]:
            raise _unanswered(index - 1, missing)
        waiting = []
    if waiting:
        raise _unanswered(len(turns) - 1, waiting)


def _unanswered(index: int, ids: list[object]) -> Refused:
    listed = ", ".join(map(str, ids))
    return Refused(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {listed}. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_last(turns: list[tuple[str, list[Object]]], limits: Claude, *, thinking: bool) -> None:
    """A last message of the assistant is a prefill; the tool call being answered has to bring its thoughts."""
    role, blocks = turns[-1]
    if role == "assistant":
        if not limits.prefill or thinking:
            raise Refused(
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
        last = blocks[-1] if blocks else {}
        if str(last.get("text", "")).rstrip() != str(last.get("text", "")):
            raise Refused("messages: final assistant content cannot end with trailing whitespace")
        return
    if not thinking or len(turns) < 2:
        return
    answered = any(block.get("type") == "tool_result" for block in blocks)
    first = turns[-2][1][0].get("type") if turns[-2][1] else None
    if answered and first not in ("thinking", "redacted_thinking"):
        raise Refused(
            f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )
