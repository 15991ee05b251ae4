"""The shipped vocabularies: those tiktoken would download, loaded once, without a network, and never trusted unchecked."""

import gzip
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
import tiktoken_ext.openai_public as published
import tokens_reference as reference

from proxy.tokens import bpe
from proxy.tokens.bpe import VOCABULARIES, VocabularyError, VocabularyName, VocabularyStore
from proxy.tokens.prompt import count_prompt
from proxy.tokens.text import MEMOS, count_text


@pytest.mark.parametrize("name", VOCABULARIES)
def test_pattern_and_special_tokens_are_tiktokens(name: VocabularyName) -> None:
    with mock.patch.object(published, "load_tiktoken_bpe", return_value={}) as load:
        definition = getattr(published, name)()
    assert VOCABULARIES[name].pattern == definition["pat_str"]
    assert VOCABULARIES[name].special_tokens == definition["special_tokens"]
    assert load.call_args.kwargs["expected_hash"] == VOCABULARIES[name].sha256


@pytest.mark.parametrize("name", VOCABULARIES)
def test_ids_are_the_reference_ones(name: VocabularyName) -> None:
    text = "Grüße, 世界! <|endoftext|> don't 12345\n"
    assert bpe.SHIPPED.encoding(name).encode_ordinary(text) == reference.encoding(name).encode_ordinary(text)


def test_many_threads_load_once() -> None:
    store = VocabularyStore(bpe.SHIPPED.directory)
    with mock.patch.object(bpe, "_build", wraps=bpe._build) as build, ThreadPoolExecutor(4) as pool:
        encodings = list(pool.map(lambda _: store.encoding("cl100k_base"), range(16)))
    assert build.call_count == 1
    assert all(encoding is encodings[0] for encoding in encodings)


def test_neither_network_nor_memory_before_the_first_count(tmp_path: Path) -> None:
    script = """
        import socket, sys
        class Refused(socket.socket):
            def __init__(self, *args, **kwargs):
                raise AssertionError("network")
        socket.socket = socket.create_connection = socket.getaddrinfo = Refused
        from proxy.tokens.counter import TokenCounter
        from proxy.tokens.text import count_text
        counter = TokenCounter()
        counter.estimate(b'{"messages":[]}')
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) if sys.platform == "linux" else 0
        before = resident()
        assert "tiktoken" not in sys.modules and "regex" not in sys.modules and "requests" not in sys.modules
        assert count_text("hello world", "o200k_base").tokens == 2
        assert count_text("hello world", "cl100k_base").source == "counted"
        assert "tiktoken" in sys.modules and "tiktoken_ext.openai_public" not in sys.modules and "requests" not in sys.modules
        assert not before or resident() - before > 5000, "the vocabulary was there before it was needed"
    """
    cache = tmp_path / "cache"
    cache.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={"TIKTOKEN_CACHE_DIR": str(cache), "PYTHONPATH": str(Path(bpe.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(cache.iterdir()) == []


def _damaged(kind: str, directory: Path) -> VocabularyStore:
    path = directory / "o200k_base.tiktoken.gz"
    data = (bpe.SHIPPED.directory / path.name).read_bytes()
    if kind == "flipped":
        ranks = bytearray(gzip.decompress(data))
        ranks[1000] ^= 1
        path.write_bytes(gzip.compress(bytes(ranks), 1))
    elif kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "other":
        path.write_bytes(b"not a gzip file")
    return VocabularyStore(directory)


@pytest.mark.parametrize(
    ("kind", "says"),
    [("flipped", "is damaged"), ("cut", "cannot be read"), ("other", "cannot be read"), ("missing", "cannot be read")],
)
def test_damaged_vocabulary_is_refused_and_estimates_step_in(
    kind: str, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _damaged(kind, tmp_path)
    assert not store.ready("o200k_base")
    with pytest.raises(VocabularyError, match=says) as caught:
        store.encoding("o200k_base")
    assert "reinstall tollway" in str(caught.value)
    assert store.ready("o200k_base")

    # Nothing remembered may hide the failure.
    text = f"a text nobody has counted before: {kind}"
    assert count_text(text, "o200k_base", store=store).source == "estimated"
    assert MEMOS["o200k_base"].get(text) is None
    body = b'{"messages":[{"role":"user","content":"never seen either: %s"}]}' % kind.encode()
    assert count_prompt("chat", "gpt-4o", body, store=store).source == "estimated"
    assert len(caplog.records) == 1


def test_without_tiktoken_counts_are_estimates(caplog: pytest.LogCaptureFixture) -> None:
    store = VocabularyStore(bpe.SHIPPED.directory)
    with mock.patch.dict(sys.modules, {"tiktoken": None}), pytest.raises(VocabularyError, match="pip install"):
        store.encoding("o200k_base")
    assert count_text("one more unseen text", "o200k_base", store=store).source == "estimated"
