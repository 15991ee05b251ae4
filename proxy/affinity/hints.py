"""What requests share whose prompts begin alike: sent with the same key, they find what its provider has cached of them.

A hint decides nothing alone: a key that rests or is full is passed over.
"""

import re
from zlib import crc32

from ..context import RequestContext

PREFIX = 1024
"""Bytes of the prompt that count: some 256 tokens, below which no provider caches anything."""

_OWN = b'"prompt_cache_key"'
_VALUE = re.compile(rb'\s*:\s*"([^"]{1,256})')
_BEGINNING = re.compile(rb'"(?:system|messages|instructions|input|contents)"')
"""A member that a prompt begins with, in every dialect."""


def prompt_hint(ctx: RequestContext) -> str:
    """Equal for equal beginnings of one tenant's prompts; "" where there is no prompt. Equal in every process."""
    body = ctx.body
    at = body.find(_OWN)
    own = _VALUE.match(body, at + len(_OWN)) if at >= 0 else None
    if own is not None:
        begins = own[1]
    else:
        first = _BEGINNING.search(body)
        if first is None:
            return ""
        begins = body[first.end() : first.end() + PREFIX]
    return f"{ctx.principal.account or ctx.principal.tenant}:{crc32(begins):08x}"
