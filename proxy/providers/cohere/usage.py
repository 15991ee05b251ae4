"""Cohere's two counts: ``tokens`` is what the model saw, Cohere's own template included; ``billed_units`` is what is paid for."""

from ...translation.chunks import usage_object
from ...wire.usage import reported
from ...wire.values import Json, JsonObject, count, number, obj


def usage_of(value: Json) -> JsonObject | None:
    """``usage`` (or ``meta``) as chat writes it, with ``billed_units`` beside; ``None`` when it holds no sane token figure."""
    usage = obj(value)
    tokens, billed = obj(usage.get("tokens")), obj(usage.get("billed_units"))
    prompt = _first(tokens.get("input_tokens"), billed.get("input_tokens"))
    output = _first(tokens.get("output_tokens"), billed.get("output_tokens"))
    if prompt is None and output is None:
        return None
    cached = count(usage.get("cached_tokens")) or 0
    found = usage_object(reported(prompt=prompt or 0, output=output or 0, cached=cached))
    units = billed_units(billed)
    if units:
        found["billed_units"] = units
    return found


def billed_units(billed: JsonObject) -> JsonObject:
    """The billed figures that are sane, whole ones as integers."""
    kept: JsonObject = {}
    for name, value in billed.items():
        amount = number(value)
        if amount is not None and amount >= 0:
            whole = count(value)
            kept[name] = whole if whole is not None else amount
    return kept


def _first(*values: Json) -> int | None:
    return next((found for value in values if (found := count(value)) is not None), None)
