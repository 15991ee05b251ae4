"""Pages: the largest one asks the database twice, because it gives no more rows at once."""

import pytest

from proxy.admin.pages import MOST, page


@pytest.mark.parametrize(("rows", "more"), [(MOST - 1, False), (MOST, False), (MOST + 1, True)])
async def test_the_largest_page_knows_whether_there_is_more(rows: int, more: bool) -> None:
    async def fetch(*, limit: int, after: str | None) -> list[str]:
        assert limit <= MOST
        begin = 0 if after is None else int(after) + 1
        return [str(index) for index in range(begin, min(begin + limit, rows))]

    found = await page(fetch, str, str, limit=MOST, cursor=None)
    assert (len(found.data), found.has_more, found.next) == (min(rows, MOST), more, str(MOST - 1) if more else None)
