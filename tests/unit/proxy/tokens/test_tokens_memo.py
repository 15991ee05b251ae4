"""The memory of counts: bounded by bytes, least recently used out first, sound under threads."""

from concurrent.futures import ThreadPoolExecutor

from proxy.tokens.memo import ENTRY, Counted, Memo, key_of

ONE = Counted(1, "counted")


def test_it_never_holds_more_than_its_bytes() -> None:
    memo = Memo(max_bytes=10_000)
    for number in range(1000):
        memo.put(f"{number:0100}", ONE)
        assert memo.bytes <= 10_000
    assert len(memo) == 10_000 // (ENTRY + 100)


def test_wide_characters_weigh_more() -> None:
    memo = Memo(max_bytes=10_000)
    memo.put("中" * 100, ONE)
    assert memo.bytes == ENTRY + 400


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(max_bytes=2 * (ENTRY + 1))
    memo.put("a", ONE)
    memo.put("b", ONE)
    assert memo.get("a") == ONE
    memo.put("c", ONE)
    assert memo.get("b") is None
    assert memo.get("a") == memo.get("c") == ONE


def test_an_entry_larger_than_the_memory_leaves_it_empty() -> None:
    memo = Memo(max_bytes=100)
    memo.put("x" * 500, ONE)
    assert (len(memo), memo.bytes) == (0, 0)


def test_the_same_text_twice_is_one_entry() -> None:
    memo = Memo(max_bytes=10_000)
    memo.put("a", ONE)
    memo.put("a", ONE)
    assert (len(memo), memo.bytes) == (1, ENTRY + 1)


def test_texts_that_differ_have_keys_that_differ() -> None:
    texts = ["", "a", "b", "a" * 1024, "a" * 1025, "a" * 1024 + "b", "\ud800" * 2000]
    assert len({key_of(text) for text in texts}) == len(texts)


def test_threads_do_not_upset_the_sum() -> None:
    memo = Memo(max_bytes=20_000)

    def work(seed: int) -> None:
        for number in range(2000):
            memo.put(f"{(number * seed) % 300}", ONE)
            memo.get(f"{number % 300}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, (1, 7, 11, 13)))
    assert memo.bytes == sum(size for _, size in memo._entries.values()) <= 20_000
