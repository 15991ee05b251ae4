"""Which vocabulary counts for a model, and how far the count can be trusted.

Only OpenAI publishes the vocabularies of its models. For other families OpenAI's newest one, times a factor on the safe
side, stands in, and what comes out is called ``estimated``.
"""

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..wire.usage import Source
from .bpe import VocabularyName

EncodingName = Literal["o200k_base", "o200k_harmony", "cl100k_base"]

LONGEST_NAME = 256
"""Characters; a longer model name is nobody's model and would only fill the cache."""


class Tokenizer(Struct, frozen=True, kw_only=True):
    """How to count for a model. Tokens are those of ``vocabulary`` times ``factor``; ``name`` is the model without prefixes."""

    name: str
    family: str
    encoding: EncodingName
    factor: float = 1.0
    source: Source = "counted"

    @property
    def vocabulary(self) -> VocabularyName:
        """Ranks to count with: harmony adds special tokens only, and text is never counted as those."""
        return "cl100k_base" if self.encoding == "cl100k_base" else "o200k_base"


_OPENAI: tuple[tuple[str, EncodingName], ...] = (
    ("gpt-oss", "o200k_harmony"),
    ("chatgpt-", "o200k_base"),
    ("gpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
    ("gpt-", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4", "o200k_base"),
    ("codex-", "o200k_base"),
    ("computer-use-", "o200k_base"),
    ("text-embedding-", "cl100k_base"),
    ("davinci-002", "cl100k_base"),
    ("babbage-002", "cl100k_base"),
)
"""First match holds, so ``gpt-4o`` comes before ``gpt-4``. Names of OpenAI's that are yet to come are taken for o200k."""

_OLDER_CLAUDE = re.compile(
    r"claude-(?:instant|v?[123](?:\D|$)|(?:opus|sonnet|haiku)-(?:3|4(?:[-.][0-6])?)(?:[-@:.](?:\d{6,}|latest|v\d|$)|$))"
)
"""Up to 4.6: ``claude-3-5-sonnet``, ``claude-sonnet-4-20250514``, ``claude-haiku-4-5``. Anything else is the newer kind."""

_FAMILIES: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("claude-older", _OLDER_CLAUDE, 1.3),
    ("claude", re.compile(r"claude"), 1.6),
    ("gemini-2", re.compile(r"gemini-[12]\b"), 1.05),
    ("gemini", re.compile(r"gemini|gemma"), 1.05),
    ("mistral", re.compile(r"mistral-7b|mixtral"), 1.25),
    ("mistral", re.compile(r"mistral|ministral|magistral|codestral|devstral|pixtral"), 1.05),
    ("llama", re.compile(r"llama"), 1.1),
    ("qwen", re.compile(r"qwen|qwq|qvq"), 1.05),
    ("deepseek", re.compile(r"deepseek"), 1.05),
    ("cohere", re.compile(r"\bcommand\b"), 1.0),
    ("moonshot", re.compile(r"kimi|moonshot"), 1.0),
    ("grok", re.compile(r"grok"), 1.05),
)


def tokenizer_for(model: str | None, *, encoding: EncodingName | None = None) -> Tokenizer:
    """How to count for a model name as clients write it: ``gpt-4o``, ``openai/gpt-4o``, ``ft:gpt-4o:org::id``, an alias.

    ``encoding`` overrules what is known of the model's vocabulary.
    """
    tokenizer = _look_up(model) if model and len(model) <= LONGEST_NAME else UNKNOWN
    if encoding is not None:
        return replace(tokenizer, encoding=encoding, factor=1.0, source="counted")
    return tokenizer


UNKNOWN = Tokenizer(name="", family="unknown", encoding="o200k_base", source="estimated")
"""Nothing is known of the model's vocabulary: counted with o200k_base, as it is."""


@lru_cache(maxsize=1024)
def _look_up(model: str) -> Tokenizer:
    name = model.rpartition("/")[2].lower()
    while name.startswith("ft:"):
        name = name[3:]
    name = name.removeprefix("openai.")
    for prefix, encoding in _OPENAI:
        if name.startswith(prefix):
            return Tokenizer(name=name, family="openai", encoding=encoding)
    for family, pattern, factor in _FAMILIES:
        if pattern.search(name):
            return Tokenizer(name=name, family=family, encoding="o200k_base", factor=factor, source="estimated")
    return Tokenizer(name=name, family="unknown", encoding="o200k_base", source="estimated")
