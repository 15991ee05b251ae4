"""Encodings made of the shipped ranks and tiktoken's own definitions, apart from the code under test."""

import base64
import gzip
from functools import cache
from pathlib import Path
from unittest import mock

import tiktoken
import tiktoken_ext.openai_public as published

from proxy.tokens import bpe

DIRECTORY = Path(bpe.__file__).with_name("vocabularies")


@cache
def encoding(name: str) -> tiktoken.Encoding:
    """The encoding tiktoken would build, had it downloaded the ranks."""
    lines = gzip.decompress((DIRECTORY / f"{name}.tiktoken.gz").read_bytes()).splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    with mock.patch.object(published, "load_tiktoken_bpe", return_value=ranks):
        return tiktoken.Encoding(**getattr(published, name)())


def count(text: str, name: str = "o200k_base") -> int:
    """Tokens of an ordinary text."""
    return len(encoding(name).encode_ordinary(text))
