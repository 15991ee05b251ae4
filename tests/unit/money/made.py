"""Values that the tests of money are made of."""

from collections.abc import Mapping

from msgspec import structs

from proxy.catalogue import Book, ModelInfo
from proxy.context import Attempt, Principal, RequestContext, Target, TokenEstimate
from proxy.money.prices import PriceList
from proxy.money.pricing import CataloguePricing
from proxy.policy.terms import AT_COST, Plan
from proxy.protocols import Entry, Hold
from proxy.wire.usage import Usage, reported
from tests.support.fakes import LIMITS

HOLD = Hold(
    ident="0" * 32,
    request_id="req_1",
    account="acc_1",
    key="key_1",
    key_name="app",
    endpoint="chat",
    route="fast",
    provider="openai",
    model="m",
    held=1000,
    input_tokens=100,
    input_price=2_000_000,
    output_price=10_000_000,
    price_version="v.cost",
    at=1_795_000_000.0,
)

ENTRY = Entry(
    ident=HOLD.ident,
    request_id="req_1",
    upstream_id="up_1",
    account="acc_1",
    key="key_1",
    key_name="app",
    endpoint="chat",
    route="fast",
    provider="openai",
    model="m",
    outcome="ok",
    ending="complete",
    count="reported",
    input_tokens=100,
    output_tokens=20,
    charge=400,
    cost=400,
    at=HOLD.at,
    ended=HOLD.at + 1,
)

MODEL = ModelInfo(
    id="m",
    provider="openai",
    input_price=2_000_000,
    output_price=10_000_000,
    cached_price=500_000,
    cache_write_price=2_500_000,
    max_output=4096,
)
TARGET = Target(provider="openai", model="m", limits=LIMITS)


def hold(number: int, **changes: object) -> Hold:
    """A hold of its own."""
    return structs.replace(HOLD, ident=f"{number:032x}", request_id=f"req_{number}", **changes)


def entry(number: int, **changes: object) -> Entry:
    """The entry of ``hold(number)``."""
    own = {"ident": f"{number:032x}", "request_id": f"req_{number}", "upstream_id": f"up_{number}"}
    return structs.replace(ENTRY, **{**own, **changes})


def hit(number: int, **changes: object) -> Entry:
    """The entry of ``hold(number)`` where the cache answered."""
    made = {"cache": "hit", "ending": "cached", "upstream_id": "", "attempts": 0, "cost": 0, "charge": 0}
    saved = {"saved": 400, "saved_cost": 400, "saved_input": 100, "saved_output": 20}
    return entry(number, **{**made, **saved, **changes})


def pricing(*models: ModelInfo, free: tuple[str, ...] = (), unknown: str = "deny") -> CataloguePricing:
    """Prices by a book of ``models``, by their ids alone."""
    rows: Mapping[tuple[str, str], ModelInfo] = {(row.provider, row.id): row for row in models or (MODEL,)}
    book = Book(rows.values())
    return CataloguePricing(
        PriceList(
            info=lambda target: rows.get((target.provider, target.model)),
            free=lambda name: name in free,
            unknown=unknown,  # type: ignore[arg-type]
            book=lambda: book,
        )
    )


def principal(plan: Plan = AT_COST) -> Principal:
    """A customer."""
    return Principal(name="app", tenant="acc_1", key="key_1", account="acc_1", plan=plan)


def context(prices: CataloguePricing, *, plan: Plan = AT_COST, target: Target = TARGET) -> RequestContext:
    """A request that was sent and answered whole: 1,000 tokens in, 100 out, as reported; about 900 as estimated."""
    ctx = RequestContext(request_id="req_1", principal=principal(plan), target=target, ledger_id="0" * 32)
    ctx.quote = prices.quote(ctx.principal, "public", target)
    ctx.body = b'{"messages":[]}'
    ctx.status = 200
    ctx.committed = True
    ctx.estimate = TokenEstimate(likely=900, bound=4000)
    ctx.usage = reported(prompt=1000, output=100)
    ctx.attempts.append(
        Attempt(provider=target.provider, model=target.model, started=0, status=200, upstream_id="up_1")
    )
    return ctx


COUNTED = Usage(input=1000, output=40, input_source="counted", output_source="counted")
