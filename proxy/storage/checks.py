"""What may be stored: text that both databases take, and integers that fit. Refused with a sentence, or (entries) made to fit."""

import re
from collections.abc import Sequence

import msgspec

from ..protocols import Entry
from .records import AccountRecord, AuditRecord, KeyRecord, Transaction

MOST = 9_000_000_000_000_000_000
"""Of a sum of micro-dollars or tokens, on either side of zero: below 2^63, with room for an overflow to be seen."""

MOST_CHARGE = 1_000_000_000_000_000
"""Micro-dollars of one request: a billion dollars."""

MOST_TOKENS = 1_000_000_000_000
"""Tokens of one request."""

MOST_USES = 1_000_000
"""Of a voucher."""

ID, NAME, NOTE, JSON, OBJECT_ID = 200, 200, 2_000, 65_536, 1_000
"""Characters; of JSON: bytes."""

CLEAN = 500
"""Characters kept of an entry's text."""

MOST_ROWS = 1_000
"""Of a page."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def text(what: str, value: str, most: int, *, empty: bool = False) -> str:
    """``value``, if it can be stored exactly. Raises ``ValueError`` naming ``what`` and the rule."""
    if len(value) > most:
        raise ValueError(f"{what} has {len(value):,} characters; at most {most:,} are kept.")
    if not value and not empty:
        raise ValueError(f"{what} is empty.")
    found = _UNSTORABLE.search(value)
    if found is not None:
        kind = "a NUL" if found[0] == "\x00" else "half of a surrogate pair"
        raise ValueError(f"{what} holds {kind}, which databases cannot keep; leave it out.")
    return value


def clean(value: str) -> str:
    """``value`` as far as it can be stored: money must not wait for the words beside it."""
    return _UNSTORABLE.sub(_REPLACEMENT, value[:CLEAN])


def fits(values: Sequence[str]) -> bool:
    """Would ``clean`` leave all of them as they are?"""
    joined = "".join(values)
    return (len(joined) <= CLEAN or max(map(len, values)) <= CLEAN) and _UNSTORABLE.search(joined) is None


def amount(what: str, value: int, most: int = MOST, *, negative: bool = True) -> int:
    """``value``, if it is an integer within bounds. Raises ``ValueError``."""
    if type(value) is not int:
        raise ValueError(f"{what} is not a whole number.")
    if not (-most if negative else 0) <= value <= most:
        raise ValueError(f"{what} is out of bounds: {-most if negative else 0:,} to {most:,} are kept.")
    return value


def positive(what: str, value: int, most: int) -> int:
    """``value``, if it is an integer from 1 to ``most``. Raises ``ValueError``."""
    if amount(what, value, most, negative=False) == 0:
        raise ValueError(f"{what} is 0: it must be at least 1.")
    return value


def moment(what: str, value: float) -> float:
    """``value``, if it is a time within the years 1970 to 9999. Raises ``ValueError`` (NaN too)."""
    if not 0 <= value <= 253_402_300_799:
        raise ValueError(f"{what} is not a time between the years 1970 and 9999.")
    return float(value)


def rows(limit: int) -> int:
    """``limit``, if a page may have as many rows."""
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"A page has 1 to {MOST_ROWS:,} rows, not {limit:,}.")
    return limit


def json(what: str, value: object, most: int = JSON) -> str:
    """``value`` as JSON, if it can be stored. Raises ``ValueError``."""
    try:
        raw = msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError, msgspec.MsgspecError):
        raise ValueError(f"{what} holds something that JSON cannot say (half of a surrogate pair, say).") from None
    if len(raw) > most:
        raise ValueError(f"{what} has {len(raw):,} bytes as JSON; at most {most:,} are kept.")
    return raw.decode()


def account(record: AccountRecord) -> None:
    """Raises ``ValueError`` for what cannot be stored; what is encoded as JSON is checked there."""
    text("The account's id", record.id, ID)
    text("The account's name", record.name, NAME)
    moment("The account's creation", record.created)
    amount("granted", record.granted)
    amount("included_used", record.included_used)
    amount("version", record.version, negative=False)


def key(record: KeyRecord) -> None:
    """Raises ``ValueError``."""
    text("The key's id", record.id, ID)
    text("The key's account", record.account, ID)
    text("The key's name", record.name, NAME, empty=True)
    text("The key's hint", record.hint, ID, empty=True)
    text("replaced_by", record.replaced_by or "", ID, empty=True)
    text("root", record.root or "", ID, empty=True)
    if not 16 <= len(record.digest) <= 64:
        raise ValueError("The key's digest has no length that a digest has.")
    moment("The key's creation", record.created)
    moment("expires", record.expires or 0.0)
    moment("revoked", record.revoked or 0.0)
    amount("output_cap", record.output_cap or 0, MOST_TOKENS, negative=False)
    amount("version", record.version, negative=False)


def audit(record: AuditRecord) -> None:
    """Raises ``ValueError``."""
    text("The audit row's id", record.id, ID)
    text("The actor", record.actor, NAME, empty=True)
    text("The action", record.action, NAME)
    text("The object", record.object, ID, empty=True)
    text("The client", record.client, NAME, empty=True)
    text("The request id", record.request_id, NAME, empty=True)
    moment("The audit row's time", record.at)


def transaction(record: Transaction) -> None:
    """Raises ``ValueError``: legs that do not balance, amounts out of bounds, text that cannot be stored."""
    what = f"Transaction {record.ref[:80]!a}"
    text(f"{what}: its id", record.id, ID)
    text(f"{what}: its ref", record.ref, ID + NAME)
    text(f"{what}: its account", record.account, CLEAN, empty=True)
    text(f"{what}: its request", record.request or "", ID, empty=True)
    text(f"{what}: its note", record.note, NOTE, empty=True)
    text(f"{what}: its actor", record.actor, NAME, empty=True)
    moment(f"{what}: its time", record.at)
    if not record.postings:
        raise ValueError(f"{what} has no postings.")
    for posting in record.postings:
        text(f"{what}: a book", posting.book, CLEAN + ID)
        amount(f"{what}: an amount", posting.amount)
    total = sum(posting.amount for posting in record.postings)
    if total:
        raise ValueError(f"{what} does not balance: its postings add up to {total:,} micro-dollars, not to zero.")


_TOKENS = (
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "attempts", "saved_input", "saved_output",
)  # fmt: skip
_MONEY = ("held", "charge", "cost", "saved", "saved_cost")


def entry(record: Entry) -> None:
    """Figures only: its text is made to fit. Raises ``ValueError`` that names the entry."""
    what = f"Entry {record.ident[:80]!a}"
    text(f"{what}: its ident", record.ident, ID)
    for name in _TOKENS:
        amount(f"{what}: {name}", getattr(record, name), MOST_TOKENS, negative=False)
    for name in _MONEY:
        amount(f"{what}: {name}", getattr(record, name), MOST_CHARGE, negative=False)
    moment(f"{what}: its begin", record.at)
    moment(f"{what}: its end", record.ended)
