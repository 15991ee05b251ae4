"""Keys and accounts, from the file, the database or a token, to what a request knows about its caller."""

from collections.abc import Iterable, Mapping
from typing import get_args

from msgspec import Struct, structs

from ..context import Principal
from ..policy.rules import Rule, Scope, budget_rule, credit_rule, micro, rules_of
from ..policy.terms import AT_COST, EVERYTHING, NO_LIMITS, Budget, LimitName, Limits, Plan, Scopes
from ..storage.records import AccountRecord, KeyRecord
from .authorisation import networks_of

MODES = ("steady", "shadow", "soft", "closed", "open")
NAMES: tuple[str, ...] = get_args(LimitName)
EVERY_MODEL = "*"


class Terms(Struct, frozen=True, kw_only=True):
    """What the configuration says about all keys: it changes with a reload, not with the database.

    ``accounts`` and ``keys`` are those of the file, by name. ``ledgered``: is there a ledger that budgets start from?
    """

    default: Limits = NO_LIMITS
    accounts: Mapping[str, AccountRecord] = {}
    keys: Mapping[str, KeyRecord] = {}
    ledgered: bool = False


def file_key(
    name: str,
    *,
    ident: str = "",
    account: str | None = None,
    scopes: Scopes = EVERYTHING,
    limits: Limits = NO_LIMITS,
    budgets: tuple[Budget, ...] = (),
    output_cap: int | None = None,
    expires: float | None = None,
) -> KeyRecord:
    """A key of the file as a record: its id is its name, unless it has an ``ident``, and without an account it is its own.

    ``expires`` in unix seconds.
    """
    return KeyRecord(
        id=ident or name,
        account=account or name,
        name=name,
        digest=b"",
        hint="",
        created=0.0,
        scopes=scopes,
        limits=limits,
        budgets=budgets,
        output_cap=output_cap,
        expires=expires,
    )


def file_account(
    name: str, *, limits: Limits = NO_LIMITS, budgets: tuple[Budget, ...] = (), plan: Plan = AT_COST
) -> AccountRecord:
    """An account of the file as a record: its id is its name."""
    return AccountRecord(id=name, name=name, created=0.0, limits=limits, budgets=budgets, plan=plan)


def account_of(name: str, terms: Terms, stored: AccountRecord | None) -> AccountRecord:
    """The account that a key of the file or a token names: the file says its terms, the row of that id its money and status."""
    own = terms.accounts.get(name)
    if own is None:
        return stored or file_account(name)
    if stored is None:
        return own
    return structs.replace(own, status=stored.status, granted=stored.granted, included_used=stored.included_used)


def principal_of(key: KeyRecord, account: AccountRecord, terms: Terms) -> Principal:
    """The caller behind ``key``, with every rule that binds it: the key's own, then the account's."""
    scopes = key.scopes
    rules = key_rules(key, terms) + account_rules(account, terms)
    ends = [moment for moment in (key.expires, key.revoked) if moment is not None]
    return Principal(
        name=key.name,
        tenant=account.id,
        account=account.id,
        key=key.counted_as,
        models=scopes.models,
        passthrough=EVERY_MODEL in scopes.models if scopes.passthrough is None else scopes.passthrough,
        exact_usage=terms.ledgered or account.plan.prepaid or any(_counts_tokens(rule) for rule in rules),
        stable_only=scopes.stability == "stable",
        endpoints=scopes.endpoints,
        providers=scopes.providers,
        networks=networks_of(scopes.networks),
        expires=min(ends) if ends else None,
        rules=rules,
        plan=account.plan,
        output_cap=key.output_cap,
        controls=scopes.controls,
        regions=scopes.regions,
        max_price=scopes.max_price,
        slo=scopes.slo,
        cache=scopes.cache,
    )


def key_rules(key: KeyRecord, terms: Terms) -> tuple[Rule, ...]:
    """Limits and budgets of one key; ``terms.default`` fills in what it does not set."""
    return rules_of(filled(key.limits, terms.default), "key", key.counted_as) + money_rules(key, terms)


def account_rules(account: AccountRecord, terms: Terms) -> tuple[Rule, ...]:
    """Limits, budgets and, where it pays in advance, the balance of one account."""
    return rules_of(account.limits, "account", account.id) + money_rules(account, terms)


def money_rules(owner: KeyRecord | AccountRecord, terms: Terms) -> tuple[Rule, ...]:
    """Budgets and, of an account that pays in advance, the balance."""
    if isinstance(owner, KeyRecord):
        return _budgets(owner.budgets, "key", owner.counted_as, terms)
    rules = _budgets(owner.budgets, "account", owner.id, terms)
    if owner.plan.prepaid:
        limit = owner.granted + owner.included_used + micro(owner.plan.included_usd)
        rules += (credit_rule(owner.id, limit),)
    return rules


def filled(own: Limits, default: Limits) -> Limits:
    """``own`` with what it leaves open taken from ``default``, and how a limit behaves from where its figure comes.

    What ``own`` says about a limit's behaviour holds for a default figure too.
    """
    if default == NO_LIMITS:
        return own
    inherited = {name for name in NAMES if getattr(own, name) is None and getattr(default, name) is not None}
    changes: dict[str, object] = {name: getattr(default, name) for name in inherited}
    decided = {*own.closed, *own.open}
    for mode in MODES:
        ours, theirs = getattr(own, mode), getattr(default, mode)
        barred = decided if mode in ("closed", "open") else set(ours)
        changes[mode] = ours + tuple(name for name in theirs if name in inherited and name not in barred)
    return structs.replace(own, **changes)


def _budgets(budgets: Iterable[Budget], scope: Scope, owner: str, terms: Terms) -> tuple[Rule, ...]:
    return tuple(budget_rule(budget, scope, owner, ledgered=terms.ledgered) for budget in budgets)


def _counts_tokens(rule: Rule) -> bool:
    """Does the provider's own count decide it?"""
    return rule.unit not in ("requests", "slots")
