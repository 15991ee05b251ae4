"""Where the Messages API is served: Anthropic itself, or another cloud with its own paths and limits."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from ...translation.ask import Ask

EXTENSIONS = frozenset(("cache_control", "container", "context_management", "inference_geo", "mcp_servers", "speed"))
"""Top-level fields of Anthropic's own that a chat request may carry. Source: Messages reference, version 2026-10-21."""


def messages_path(ask: Ask) -> str:
    """Anthropic's own."""
    return "/v1/messages"


class Host(Struct, frozen=True, kw_only=True):
    """The defaults are Anthropic's own API."""

    path: Callable[[Ask], str] = messages_path
    """Relative to the base URL, encoded; elsewhere it names the model and may differ for streams."""
    version: str = ""
    """``anthropic-version`` header; empty: the one that fits the request."""
    version_in_body: str = ""
    """``anthropic_version`` in the body (``vertex-2023-10-16``); then the model is named by the path alone."""
    betas: tuple[str, ...] = ()
    """Sent with every request."""
    betas_in: Literal["header", "body", "none"] = "header"
    """Where ``anthropic-beta`` travels; ``none``: unknown betas are refused here, so none is sent."""
    image_urls: bool = True
    """Are images fetched from URLs? Else they must come as base64."""
    service_tier: bool = True
    web_search: bool = True
    """Is Anthropic's web search tool served?"""
    name_limit: int = 128
    """Characters of a tool's name."""
    extensions: frozenset[str] = EXTENSIONS
    """Anthropic's own top-level fields that are taken here."""
