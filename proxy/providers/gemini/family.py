"""Which generation of Gemini a model name means. What the wire accepts differs by generation more than by model."""

import re
from functools import lru_cache

from msgspec import Struct

_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?(?![\d.])")


class Family(Struct, frozen=True):
    """``gemini-2.5-pro`` is 2.5. Source for what each takes: Google's Gemini API reference, November 2026."""

    major: int
    minor: int = 0
    gemma: bool = False
    penalties: bool = False
    """Are frequency and presence penalties taken? Preview models, 2.5 Pro and all of 3 refuse them."""

    @property
    def json_schema(self) -> bool:
        """Are ``parametersJsonSchema`` and ``responseJsonSchema`` taken? Older ones know the OpenAPI subset only."""
        return (self.major, self.minor) >= (2, 5)

    @property
    def signed(self) -> bool:
        """Must function calls of the history carry their thought signature, and may they carry ids?"""
        return self.major >= 3

    @property
    def mixes_tools(self) -> bool:
        """May functions stand beside Google's own tools and beside a response schema?"""
        return self.major >= 3


@lru_cache(maxsize=512)
def family_of(model: str) -> Family:
    """The family of an upstream model name. Moving aliases (``gemini-flash-latest``) count as 3, unknown names as 2.5."""
    if "gemma" in model:
        return Family(2, 0, gemma=True)
    found = _VERSION.search(model)
    if found is not None:
        major, minor = int(found[1]), int(found[2] or 0)
        plain = (major, minor) < (2, 5) and "pro" not in model and "preview" not in model
        return Family(major, minor, penalties=plain)
    return Family(3) if "latest" in model else Family(2, 5)
