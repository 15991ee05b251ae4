"""One small document from a URL that the operator named."""

from ..errors import UpstreamError, UpstreamInvalid

LIMIT = 32 * 1024 * 1024
"""Bytes of a document."""

TIMEOUT = 60.0
"""Seconds for all of it."""


async def fetch(url: str) -> bytes:
    """The body of a 200. Raises ``UpstreamError``; redirects are not followed, because only this address was allowed."""
    import aiohttp  # noqa: PLC0415 - loaded by the first who fetches

    from .foreign import FOREIGN_BODY, of_request  # noqa: PLC0415 - the same

    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise UpstreamInvalid(f"{url} answered with status {answer.status}.")
            data = await answer.content.read(LIMIT + 1)
            while len(data) <= LIMIT and (more := await answer.content.read(LIMIT + 1 - len(data))):
                data += more
    except UpstreamError:
        raise
    except FOREIGN_BODY as error:
        raise of_request(error, url) from None
    if len(data) > LIMIT:
        raise UpstreamInvalid(f"{url} is larger than {LIMIT} bytes.")
    return data
