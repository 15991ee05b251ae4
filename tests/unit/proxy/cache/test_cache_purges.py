"""Which answers a purge means, and the short memory of purges: equal to asking each one, bounded, and let go of in time."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.purges import EVERYTHING, LONGEST, MOST, Purges, key_of, means
from proxy.protocols import CacheEntry, Purge
from tests.support.cache_stores import NOW, answer

KEY = bytes(range(32))
NAMES = st.sampled_from(["", "a", "b"])
WHATS = st.builds(Purge, key=st.sampled_from(["", KEY.hex(), "0" * 64]), account=NAMES, model=NAMES, tag=NAMES)
MOMENTS = st.integers(1, 8).map(lambda step: NOW + step)
ENTRIES = st.builds(
    lambda at, tenant, public, tags: answer(now=at, tenant=tenant, public=public, tags=tuple(tags)),
    st.integers(0, 9).map(lambda step: NOW + step),
    NAMES,
    NAMES,
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
)


@given(st.lists(st.tuples(WHATS, MOMENTS), max_size=12), ENTRIES)
def test_they_mean_what_each_of_them_means(told: list[tuple[Purge, float]], entry: CacheEntry) -> None:
    purges = Purges()
    for what, upto in told:
        purges.add(what, upto)
    expected = any(entry.stored_at <= upto and means(what, KEY, entry) for what, upto in told)
    assert purges.mean(KEY, entry) is expected
    assert any(entry.stored_at <= upto and means(what, KEY, entry) for what, upto in purges) is expected
    assert len(purges) == len(list(purges)) <= len(told)


@given(st.lists(st.tuples(WHATS, MOMENTS), max_size=12))
def test_what_is_told_twice_is_nothing_new(told: list[tuple[Purge, float]]) -> None:
    purges = Purges()
    for what, upto in told:
        purges.add(what, upto)
    assert not any(purges.add(what, upto) for what, upto in told)
    assert not any(purges.add(what, upto) for what, upto in list(purges))


def test_a_name_alone_does_not_stand_for_another_kind() -> None:
    purges = Purges()
    assert purges.add(Purge(account="x"), NOW)
    assert not purges.mean(KEY, answer(public="x", tags=("x",)))
    assert purges.mean(KEY, answer(tenant="x"))


def test_too_many_become_one_that_means_everything() -> None:
    purges = Purges()
    for number in range(MOST):
        purges.add(Purge(tag=f"t{number}"), NOW + number % 10)
    assert len(purges) == MOST
    assert not purges.mean(KEY, answer())
    purges.add(Purge(tag="one more"), NOW)
    assert list(purges) == [(EVERYTHING, NOW + 9)]
    assert purges.mean(KEY, answer(now=NOW + 9))
    assert not purges.mean(KEY, answer(now=NOW + 9.1))


def test_they_are_let_go_of_when_no_answer_can_be_so_old() -> None:
    purges = Purges()
    for what in (Purge(account="x"), Purge(account="x", tag="y"), Purge(model="m")):
        purges.add(what, NOW)
    purges.add(Purge(model="m"), NOW + 5)
    purges.expire(NOW + LONGEST - 0.1)
    assert len(purges) == 3
    purges.expire(NOW + LONGEST)
    assert list(purges) == [(Purge(model="m"), NOW + 5)]
    purges.add(EVERYTHING, NOW + 6)
    assert list(purges) == [(EVERYTHING, NOW + 6)]
    purges.expire(NOW + 6 + LONGEST)
    assert not purges


def test_keys_are_hexadecimal_or_none() -> None:
    assert key_of(Purge(key=KEY.hex())) == KEY
    assert key_of(Purge(key="zz")) == key_of(Purge(key="abc")) == key_of(Purge()) == b""
