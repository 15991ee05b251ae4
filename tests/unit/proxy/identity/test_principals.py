"""Records to principals: which rules bind a caller, and what else its key says."""

import pytest
from msgspec import structs

from proxy.context import Principal
from proxy.identity.principals import Terms, account_of, file_account, file_key, filled, principal_of
from proxy.policy.caching import KeyCache
from proxy.policy.rules import Rule
from proxy.policy.terms import Budget, Limits, Plan, Scopes

from .rows import NOW, account, key


def rules(principal: Principal) -> dict[str, Rule]:
    found = {rule.ident: rule for rule in principal.rules}
    assert len(found) == len(principal.rules)
    return found


def test_a_plain_key() -> None:
    principal = principal_of(key("k"), account(), Terms())
    assert principal == Principal(name="app", tenant="acc_1", account="acc_1", key="key_1")


def test_scopes_reach_the_principal() -> None:
    scopes = Scopes(
        models=("small*",),
        endpoints=("chat",),
        providers=("local",),
        networks=("10.0.0.0/8",),
        stability="stable",
        cache=KeyCache(exact=False),
    )
    principal = principal_of(key("k", scopes=scopes, output_cap=500), account(), Terms())
    assert principal.models == ("small*",)
    assert principal.endpoints == ("chat",)
    assert principal.providers == ("local",)
    assert [str(network) for network in principal.networks] == ["10.0.0.0/8"]
    assert principal.stable_only
    assert principal.cache == KeyCache(exact=False)
    assert principal.output_cap == 500
    assert principal.passthrough is False


@pytest.mark.parametrize(
    ("models", "said", "allowed"),
    [
        (("*",), None, True),
        (("a",), None, False),
        (("a",), True, True),
        (("*",), False, False),
        (("a", "*"), None, True),
    ],
)
def test_paths_without_a_model(models: tuple[str, ...], said: bool | None, allowed: bool) -> None:
    scopes = Scopes(models=models, passthrough=said)
    assert principal_of(key("k", scopes=scopes), account(), Terms()).passthrough is allowed


@pytest.mark.parametrize(
    ("expires", "revoked", "end"),
    [(None, None, None), (NOW, None, NOW), (None, NOW, NOW), (NOW, NOW + 5, NOW), (NOW + 5, NOW, NOW)],
)
def test_it_ends_with_whatever_comes_first(expires: float | None, revoked: float | None, end: float | None) -> None:
    assert principal_of(key("k", expires=expires, revoked=revoked), account(), Terms()).expires == end


def test_limits_of_key_and_account_are_all_there() -> None:
    row = key("k", limits=Limits(rpm=60, tpm=1000, concurrency=2), budgets=(Budget(usd=1.5, per="day"),))
    owner = account(limits=Limits(rpm=600), budgets=(Budget(usd=20), Budget(usd=100, per="total", hard=False)))
    found = rules(principal_of(row, owner, Terms(ledgered=True)))
    assert {ident: rule.limit for ident, rule in found.items()} == {
        "key/key_1/rpm": 60,
        "key/key_1/tpm": 1000,
        "key/key_1/concurrency": 2,
        "key/key_1/budget.day": 1_500_000,
        "account/acc_1/rpm": 600,
        "account/acc_1/budget.month": 20_000_000,
        "account/acc_1/budget.total": 100_000_000,
    }
    assert {ident for ident, rule in found.items() if rule.ledgered} == {
        "key/key_1/budget.day",
        "account/acc_1/budget.month",
        "account/acc_1/budget.total",
    }
    assert found["account/acc_1/budget.total"].soft
    assert not any(rule.ledgered for rule in principal_of(row, owner, Terms()).rules)


def test_a_prepaid_account_may_spend_what_it_was_given() -> None:
    owner = account(plan=Plan(prepaid=True, included_usd=10), granted=5_000_000, included_used=3_000_000)
    rule = rules(principal_of(key("k"), owner, Terms(ledgered=True)))["account/acc_1/credit"]
    assert rule.limit == 18_000_000
    assert rule.ledgered
    assert rule.on_failure == "closed"
    assert "account/acc_1/credit" not in rules(principal_of(key("k"), account(granted=5), Terms()))


def test_a_default_fills_what_a_key_leaves_open() -> None:
    default = Limits(
        rpm=60, tpm=1000, concurrency=3, shadow=("rpm", "tpm"), steady=("tpm",), open=("rpm", "concurrency")
    )
    own = Limits(tpm=500, rpd=9, soft=("tpm", "rpm"), closed=("concurrency",))
    found = filled(own, default)
    assert (found.rpm, found.tpm, found.concurrency, found.rpd) == (60, 500, 3, 9)
    assert found.shadow == ("rpm",), "the key's own figure brings its own behaviour"
    assert found.steady == ()
    assert found.soft == ("tpm", "rpm"), "the key may say how a default behaves"
    assert found.closed == ("concurrency",)
    assert found.open == ("rpm",), "what the key says of it goes before"
    assert filled(own, Limits()) is own
    assert filled(Limits(), default) == default


def test_defaults_are_each_keys_own() -> None:
    terms = Terms(default=Limits(rpm=60))
    assert "key/key_1/rpm" in rules(principal_of(key("k"), account(), terms))
    assert "key/key_2/rpm" in rules(principal_of(key("k", id="key_2"), account(), terms))
    assert "account/acc_1/rpm" not in rules(principal_of(key("k"), account(), terms))


@pytest.mark.parametrize(
    ("row", "owner", "terms", "exact"),
    [
        ({}, {}, Terms(), False),
        ({"limits": Limits(rpm=1, concurrency=1, rpd=3)}, {}, Terms(), False),
        ({"limits": Limits(tpm=1)}, {}, Terms(), True),
        ({"limits": Limits(output_tpd=1)}, {}, Terms(), True),
        ({"limits": Limits(tpm=1, shadow=("tpm",))}, {}, Terms(), True),
        ({"budgets": (Budget(usd=1),)}, {}, Terms(), True),
        ({}, {"limits": Limits(input_tpm=1)}, Terms(), True),
        ({}, {"budgets": (Budget(usd=1),)}, Terms(), True),
        ({}, {"plan": Plan(prepaid=True)}, Terms(), True),
        ({}, {}, Terms(default=Limits(tpm=5)), True),
        ({}, {}, Terms(ledgered=True), True),
    ],
)
def test_exact_usage_is_asked_for_where_tokens_or_money_decide(
    row: dict[str, object], owner: dict[str, object], terms: Terms, exact: bool
) -> None:
    assert principal_of(key("k", **row), account(**owner), terms).exact_usage is exact


# ---- the file -------------------------------------------------------------------------------------------------------


def test_a_key_of_the_file_goes_by_its_name() -> None:
    row = file_key("app", limits=Limits(rpm=5))
    principal = principal_of(row, account_of(row.account, Terms(), None), Terms())
    assert (principal.name, principal.key, principal.tenant, principal.account) == ("app", "app", "app", "app")
    assert [rule.ident for rule in principal.rules] == ["key/app/rpm"]


def test_keys_of_the_file_share_an_account() -> None:
    terms = Terms(accounts={"team": file_account("team", limits=Limits(tpm=9), plan=Plan(markup=10))})
    found = [
        principal_of(row, account_of(row.account, terms, None), terms)
        for row in (file_key("a", account="team"), file_key("b", account="team"))
    ]
    assert [principal.tenant for principal in found] == ["team", "team"]
    assert all("account/team/tpm" in rules(principal) for principal in found)
    assert found[0].plan.markup == 10


def test_the_file_says_the_terms_and_the_row_the_money() -> None:
    own = file_account("team", limits=Limits(tpm=9), plan=Plan(prepaid=True))
    terms = Terms(accounts={"team": own})
    stored = account("team", limits=Limits(tpm=1), granted=70, included_used=7, status="suspended")
    assert account_of("team", terms, stored) == structs.replace(own, granted=70, included_used=7, status="suspended")
    assert account_of("team", terms, None) is own
    assert account_of("other", terms, stored) is stored
    assert account_of("other", terms, None).id == "other"
