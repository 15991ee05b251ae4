"""Every way in which a try at a target can fail, and what each one asks for: the one table that failover, health and money follow.

A fault is told from the wire, never guessed from a message of ours.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

FaultKind = Literal[
    "connect",
    "connect_timeout",
    "tls",
    "dropped",
    "timeout",
    "conflict",
    "rate_limited",
    "overloaded",
    "server_error",
    "credentials",
    "quota",
    "error_event",
    "invalid",
    "cut",
    "slow",
    "model_missing",
    "forbidden",
    "too_large",
    "context_length",
    "content_policy",
    "limited_here",
    "client",
]


class Action(Struct, frozen=True, kw_only=True):
    """What a fault asks for.

    ``again``: may the same target be tried once more? ``elsewhere``: may another one, and the fallbacks? ``named``: only the
    fallbacks named for it. ``counts``: does the breaker count it? ``cools``: what rests: this key for this model, this key
    altogether, or the target. ``billed``: may the provider bill the prompt?
    """

    when: str
    again: bool = False
    elsewhere: bool = True
    named: Literal["", "context_length", "content_policy"] = ""
    counts: bool = False
    cools: Literal["", "key_model", "key"] = ""
    billed: bool = False


ACTIONS: Mapping[FaultKind, Action] = {
    "connect": Action(when="Refused, unreachable, or its name does not resolve.", again=True, counts=True),
    "connect_timeout": Action(when="No connection within the connect limit.", again=True, counts=True),
    "tls": Action(when="The certificate or handshake was not acceptable.", counts=True),
    "dropped": Action(when="Reset or closed before an answer.", again=True, counts=True, billed=True),
    "timeout": Action(when="Nothing within the first-byte limit.", again=True, counts=True, billed=True),
    "conflict": Action(when="408, 409 or 425.", again=True),
    "rate_limited": Action(when="429.", again=True, cools="key_model"),
    "overloaded": Action(when="503 or 529, or an error that says so.", again=True, counts=True),
    "server_error": Action(when="Any other 5xx.", again=True, counts=True),
    "credentials": Action(when="401, or a 403 that speaks of our key: it was refused.", cools="key"),
    "quota": Action(when="402, or a 429 that says the account's money is used up.", cools="key"),
    "error_event": Action(
        when="An error inside a 200, or as an event before any output.", again=True, counts=True, billed=True
    ),
    "invalid": Action(when="Not HTTP, or an answer that makes no sense.", again=True, counts=True, billed=True),
    "cut": Action(when="The answer broke off before any output.", again=True, counts=True, billed=True),
    "slow": Action(when="The stream began more slowly than slow_stream allows.", billed=True),
    "model_missing": Action(when="404 for a model that the configuration names.", counts=True),
    "forbidden": Action(when="Any other 403: not permitted there, whoever's fault that is."),
    "too_large": Action(when="429 or 413 because this one request is too large for the account."),
    "context_length": Action(when="The prompt is too long for the model.", elsewhere=False, named="context_length"),
    "content_policy": Action(when="The provider will not answer this prompt.", elsewhere=False, named="content_policy"),
    "limited_here": Action(when="A limit of ours on the provider is reached."),
    "client": Action(when="Any other 4xx: the request is at fault.", elsewhere=False),
}


class Fault(Struct, frozen=True, kw_only=True):
    """One failed try. ``status`` 0: no answer. ``wait``: seconds that the provider asked for, clamped to 0-300; ``None``: it said nothing."""

    kind: FaultKind
    status: int = 0
    wait: float | None = None
    detail: str = ""
    """For the log and the attempt list: an error code or an exception's type, never a text of the provider's."""

    @property
    def action(self) -> Action:
        """What it asks for."""
        return ACTIONS[self.kind]
