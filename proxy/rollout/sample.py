"""Which requests are tried on: told from the request's id, so that the same request is always decided alike in one process.

Clients may choose ids, so the choice is keyed: nobody can pick those that are always, or never, among them.
"""

from hashlib import blake2b
from secrets import token_bytes

_KEY = token_bytes(16)

_WHOLE = 2**64


def sampled(request_id: str, share: float, *, salt: bytes) -> bool:
    """Is the request among ``share`` of all? Different salts (at most 16 bytes) choose independently of each other."""
    digest = blake2b(request_id.encode("utf-8", "replace"), digest_size=8, key=_KEY, person=salt).digest()
    return int.from_bytes(digest, "big") < share * _WHOLE
