"""What the benchmark of keys rests on: it runs, and a lookup does not grow with the number of keys."""

from .keys import measure


async def test_a_lookup_costs_the_same_among_many() -> None:
    figures = await measure(2_000)
    assert figures["start_s"] < 2
    # The HMAC is most of both; other processes may run beside this test.
    assert figures["lookup_ratio"] < 3
    assert figures["stored_us"] < 5 * figures["file_us"]
    assert figures["authorise_us"] < 3
