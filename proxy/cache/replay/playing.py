"""One stored answer for one client: in its own form byte for byte, in the other as the provider's live answer would be."""

from ...protocols import CacheEntry
from ...wire.values import JsonObject, obj
from .plain import dialect_of, plain
from .reading import SenselessError, written
from .usage import usage_object, with_usage, without_usage


def played(entry: CacheEntry, *, stream: bool, include_usage: bool) -> bytes | None:
    """The body in the wanted form; ``None`` when it cannot be given in it: no answer of its dialect, or no usage known.

    ``include_usage`` matters to streams of chat and completions alone.
    """
    try:
        if entry.form == ("events" if stream else "json"):
            if not stream or not dialect_of(entry).chunked:
                return entry.body
            return with_usage(entry) if include_usage else without_usage(entry)
        dialect = dialect_of(entry)
        whole = plain(entry)
        usage = _usage(whole, entry) if dialect.chunked and (include_usage or not stream) else None
        if stream:
            return dialect.unfold(whole, usage)
        return written({**whole, "usage": usage} if usage is not None else whole)
    except (SenselessError, RecursionError):
        return None


def _usage(whole: JsonObject, entry: CacheEntry) -> JsonObject:
    """What the answer reports, or else what is known of it. Raises ``SenselessError`` when that is nothing."""
    usage = obj(whole.get("usage"))
    if usage:
        return usage
    if entry.usage.output_source != "reported":
        raise SenselessError
    return usage_object(entry.usage)
