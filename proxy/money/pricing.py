"""The settlement policy at work: what an ended request costs the customer and the operator, and the ledger's row of it."""

from msgspec import structs

from ..context import NO_QUOTE, Attempt, Limits, Principal, Quote, RequestContext, Settled, Target
from ..protocols import Entry, Hold
from ..wire.usage import NO_USAGE, Source, Usage
from .cached import due, flags_of, given, kind_of, maker, public_name, spared
from .endings import COMPLETE, ENDINGS, Basis, Ending, answering, ending_of
from .prices import AT_LIST, Priced, PriceList
from .sanity import ABSURD, TAG
from .tariff import Tariff, rounded_up

OTHER_UNITS = frozenset({"images", "speech", "transcriptions", "videos", "rerank"})
"""Endpoints that some providers bill by the piece, the second or the search: without tokens their price is not known."""

_TOKENS = frozenset({"chat", "completions", "responses", "embeddings", "messages"})
"""Endpoints whose whole answers report their tokens."""

_FREE_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_LONGEST = 256

_ANSWERED = ("delivered", "used")
"""Bases of endings with an answer, or a part of one."""

_ROLES = (("hedge", "hedged"), ("continuation", "continued"))
"""Roles of tries that an entry tells of."""


class CataloguePricing:
    """Implements ``protocols.Pricing``."""

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices
        self.quote = prices.quote
        self.version = prices.version
        self._last: tuple[Quote, Usage, tuple[int | None, int | None]] = (NO_QUOTE, NO_USAGE, (None, None))

    def charge(self, principal: Principal, model: str, target: Target, usage: Usage) -> int | None:
        """See ``protocols.Pricing``."""
        return self.charge_at(self.quote(principal, model, target), usage)

    def charge_at(self, quote: Quote, usage: Usage) -> int | None:
        """See ``protocols.Pricing``."""
        return self._whole(quote, usage)[0] if isinstance(quote, Priced) else None

    def cached(self, ctx: RequestContext) -> int | None:
        """See ``protocols.Pricing``."""
        percent = ctx.principal.plan.cached
        return due(self._made_at(ctx), given(ctx), percent) if percent else 0

    def settled(self, ctx: RequestContext) -> Settled:
        """By the table in ``endings``. A price that is not known is ``None``, never 0."""
        ending = ending_of(ctx)
        if ending.customer == "cached":
            return self._answered(ctx, ending)
        usage = measured(ctx)
        saved = saved_cost = 0
        if ctx.cached is not None and (beside := given(ctx)) is not NO_USAGE:
            saved, saved_cost = spared(self._made_at(ctx), beside)
        charge, cost = (0, 0) if _costs_nothing(ctx) else self._due(ctx, ending, usage)
        return Settled(
            charge=charge,
            cost=cost,
            ending=ending.name,
            count=_source(usage, ending.operator),
            saved=saved,
            saved_cost=saved_cost,
        )

    def entry(self, ctx: RequestContext, settled: Settled, at: float, ended: float) -> Entry:
        """The row. Its tokens are those that the provider is likely to bill, so that it compares with the provider's own list; of an
        answer from the cache those that the client got."""
        ending, kind, beside = ENDINGS[settled.ending], kind_of(ctx), given(ctx)
        usage = beside if kind else part_of(measured(ctx), ending.operator)
        principal = ctx.principal
        provider, model, upstream_id = _made_by(ctx)
        unpriced = settled.charge is None or settled.cost is None
        return Entry(
            ident=ctx.ledger_id,
            request_id=ctx.request_id[:_LONGEST],
            upstream_id=upstream_id[:_LONGEST],
            account=principal.account,
            key=principal.key,
            key_name=principal.name,
            endpoint=ctx.endpoint.name,
            route=ctx.route,
            provider=provider,
            model=model[:_LONGEST],
            outcome=ctx.outcome,
            ending=ending.name,
            count=settled.count,
            flags=flags_of(ctx, unpriced=unpriced) if kind else _flags(ctx, ending, unpriced=unpriced),
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            reasoning_tokens=usage.reasoning,
            attempts=len(ctx.attempts),
            charge=settled.charge or 0,
            cost=settled.cost or 0,
            unpriced=unpriced,
            price_version=self._version(ctx),
            at=at,
            ended=ended,
            cache=kind,
            saved=settled.saved,
            saved_cost=settled.saved_cost,
            saved_input=beside.input,
            saved_output=beside.output,
        )

    def hold(self, ctx: RequestContext, *, quote: Quote, target: Target, route: str, held: int, at: float) -> Hold:
        """What is written down before the request is sent. Prices are those of a plain prompt of the likely length, not the dearest:
        a killed process is settled by them."""
        principal, likely = ctx.principal, ctx.estimate.likely
        rates = (quote.input_price, quote.output_price)
        if isinstance(quote, Priced):
            rates = quote.rates(likely)
        return Hold(
            ident=ctx.ledger_id,
            request_id=ctx.request_id[:_LONGEST],
            account=principal.account,
            key=principal.key,
            key_name=principal.name,
            endpoint=ctx.endpoint.name,
            route=route,
            provider=target.provider,
            model=target.model[:_LONGEST],
            held=held,
            input_tokens=likely,
            input_price=rates[0],
            output_price=rates[1],
            price_version=quote.version if isinstance(quote, Priced) else self.version(principal),
            at=at,
        )

    def cost(self, hold: Hold, usage: Usage) -> int | None:
        """What a request of a killed process cost the operator: for ``Recovery``."""
        total = self._prices.operator(Target(provider=hold.provider, model=hold.model, limits=_NO_LIMITS)).total(usage)
        return None if total is None else rounded_up(total, AT_LIST)

    # ---- money ------------------------------------------------------------------------------------------------------

    def _answered(self, ctx: RequestContext, ending: Ending) -> Settled:
        """An answer from the cache."""
        usage, quote = given(ctx), self._made_at(ctx)
        charge = due(quote, usage, ctx.principal.plan.cached)
        usual, cost = spared(quote, usage)
        return Settled(
            charge=charge,
            cost=0,
            ending=ending.name,
            count=_source(usage, "used"),
            saved=max(0, usual - (charge or 0)),
            saved_cost=cost,
        )

    def _made_at(self, ctx: RequestContext) -> Quote:
        """Prices of whoever made what the cache gave: those that the request was admitted with, where they are that target's."""
        quote, target = ctx.quote, maker(ctx)
        if target is None or (
            isinstance(quote, Priced) and quote.model == target.model and quote.provider == target.provider
        ):
            return quote
        return self._prices.quote(ctx.principal, public_name(ctx, target), target)

    def _due(self, ctx: RequestContext, ending: Ending, usage: Usage) -> tuple[int | None, int | None]:
        """To the customer, and to the operator."""
        quote, attempts = ctx.quote, ctx.attempts
        if ending is COMPLETE and len(attempts) == 1 and isinstance(quote, Priced) and usage.output:
            only, target = attempts[0], ctx.target
            here = only.model == quote.model and only.provider == quote.provider and only.usage is None
            if here and target is not None and target.model == quote.model and target.provider == quote.provider:
                # Nearly every request: one try, at the place that it was quoted for.
                return self._whole(quote, usage)
        return self._charge(ctx, ending, usage), self._cost(ctx, ending, usage)

    def _whole(self, quote: Priced, usage: Usage) -> tuple[int | None, int | None]:
        """A whole answer, to the customer and to the operator. Asked twice in a row: for the answer's header, and when it has left."""
        last = self._last
        if last[1] is usage and last[0] is quote:
            return last[2]
        found = quote.whole(usage)
        self._last = (quote, usage, found)
        return found

    def _charge(self, ctx: RequestContext, ending: Ending, usage: Usage) -> int | None:
        if ending.customer == "nothing":
            return 0
        quote = self._quote(ctx)
        if not isinstance(quote, Priced):
            return None
        total = _total(ctx, quote.customer, part_of(usage, ending.customer))
        return None if total is None else rounded_up(total, quote.factor)

    def _cost(self, ctx: RequestContext, ending: Ending, usage: Usage) -> int | None:
        """All tries: the answer's by how it ended; of the others what they had used, else their prompt where the provider may bill it."""
        target = ctx.target
        if target is None or not ctx.attempts:
            return 0
        total, answer = 0, answering(ctx)
        for attempt in ctx.attempts:
            if attempt is answer and ending.operator in _ANSWERED:
                # A continued answer's last part is billed for what it was sent, not for the whole.
                part = _total(ctx, self._tariff(ctx, attempt, target), part_of(attempt.usage or usage, ending.operator))
            elif attempt.usage is not None or _billed(attempt, answer=attempt is answer, ending=ending):
                billed = attempt.usage or Usage(input=usage.input)
                if billed.input_source == "estimated" and usage.input_source != "estimated":
                    # The same prompt: what the answer's provider counted is nearer than its bytes.
                    billed = structs.replace(billed, input=usage.input)
                part = _total(ctx, self._tariff(ctx, attempt, target), billed)
            else:
                continue
            if part is None:
                return None
            total += part
        return rounded_up(total, AT_LIST)

    def _tariff(self, ctx: RequestContext, attempt: Attempt, target: Target) -> Tariff:
        """What the operator pays for a try; at the prices that the request was admitted with, where it was quoted for that place."""
        quote = ctx.quote
        if isinstance(quote, Priced) and (quote.provider, quote.model) == (attempt.provider, attempt.model):
            return quote.operator
        return self._prices.operator(structs.replace(target, provider=attempt.provider, model=attempt.model))

    def _quote(self, ctx: RequestContext) -> Quote:
        """The one that the request was admitted with, unless another target answered."""
        quote, target = ctx.quote, ctx.target
        if target is None or (
            isinstance(quote, Priced) and quote.provider == target.provider and quote.model == target.model
        ):
            return quote
        return self._prices.quote(ctx.principal, _public(ctx) or target.model, target)

    def _version(self, ctx: RequestContext) -> str:
        quote = self._quote(ctx)
        return quote.version if isinstance(quote, Priced) else self._prices.version(ctx.principal)


def _made_by(ctx: RequestContext) -> tuple[str, str, str]:
    """Provider and model that answered, and the provider's own id of the request: the cache's has none, it is in nobody's bill."""
    if ctx.from_cache:
        target = maker(ctx)
        return ("", "", "") if target is None else (target.provider, target.model, "")
    answer = answering(ctx)
    return answer.provider, answer.model, answer.upstream_id


def _public(ctx: RequestContext) -> str:
    """The public name under which the request was answered, or was to be."""
    if ctx.attempts and (public := answering(ctx).public):
        return public
    return ctx.plan.chosen.model if ctx.plan is not None else ctx.request.model or ""


def measured(ctx: RequestContext) -> Usage:
    """The request's usage; where nobody counted the prompt, its estimate from bytes."""
    usage = ctx.usage
    if usage.input == 0 and usage.input_source == "estimated":
        return structs.replace(usage, input=ctx.estimate.likely)
    return usage


def part_of(usage: Usage, basis: Basis) -> Usage:
    """What of ``usage`` is paid for."""
    if basis == "nothing":
        return NOTHING
    if basis == "input":
        return structs.replace(usage, output=0, reasoning=0, audio_output=0)
    return usage


NOTHING = Usage()
_NO_LIMITS = Limits(connect=0, first_byte=None, idle=0, total=0)


def _total(ctx: RequestContext, tariff: Tariff, usage: Usage) -> int | None:
    if not usage.input and not usage.output and ctx.endpoint.name in OTHER_UNITS and tariff.rates.output != 0:
        return None
    return tariff.total(usage)


def _costs_nothing(ctx: RequestContext) -> bool:
    """Looking something up is free everywhere. A WebSocket begins with a GET, and is none."""
    looks = ctx.method in _FREE_METHODS and ctx.endpoint.body != "socket"
    return looks or ctx.endpoint.model == "never" or ctx.endpoint.operation == "count_tokens"


def _source(usage: Usage, basis: Basis) -> Source:
    """The weaker of both figures; of the prompt's alone where the answer does not count."""
    prompt, answer = usage.input_source, usage.output_source
    if basis == "input" or prompt == answer or prompt == "estimated":
        return prompt
    return answer if prompt == "reported" or answer == "estimated" else prompt


def _flags(ctx: RequestContext, ending: Ending, *, unpriced: bool) -> tuple[str, ...]:
    flags = []
    roles = {attempt.role for attempt in ctx.attempts}
    if ctx.tags.get(TAG) == ABSURD:
        flags.append("usage_absurd")
    elif ending.operator == "used" and ctx.endpoint.name in _TOKENS and ctx.usage.output_source != "reported":
        # Of a continued answer each part reports its own; the whole is counted.
        if "continuation" not in roles:
            flags.append("usage_missing")
    if unpriced:
        flags.append("unpriced")
    answer = answering(ctx)
    others = [attempt for attempt in ctx.attempts if attempt is not answer and attempt.usage is None]
    if any(_billed(attempt, answer=False, ending=ending) for attempt in others):
        flags.append("retried")
    flags += [flag for role, flag in _ROLES if role in roles]
    return tuple(flags)


def _billed(attempt: Attempt, *, answer: bool, ending: Ending) -> bool:
    """May the provider bill the prompt of a try that gave no answer? One that was left while it was at work may be."""
    if attempt.maybe_billed:
        return True
    if attempt.fault is not None:
        return attempt.fault.action.billed
    return attempt.status < 400 and not (answer and ending.operator == "nothing")
