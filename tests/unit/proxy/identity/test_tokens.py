"""Signed tokens: a good one is its caller, and every known way of forging one is refused before anything of it is believed."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys

import pytest
from msgspec import structs

from proxy.context import Principal
from proxy.errors import AuthenticationFailed, KeysUnavailable, PermissionDenied, RateLimited, answer_headers
from proxy.identity.callers import Callers
from proxy.identity.principals import Terms, file_account, file_key
from proxy.identity.signing_keys import EARLIEST, SigningKeys
from proxy.identity.tokens import LARGEST, SignerUnknown, TokenRefused, Tokens, looks_like_token
from proxy.identity.virtual_keys import digest
from proxy.policy.terms import Limits
from tests.support.clock import FakeClock

from .rows import NOW, Bench, account, failures
from .signed import EC_KEY, ED_KEY, ISSUER, OTHER_RSA, RSA_KEY, URL, Keys, claims, encoded, jwks, public, signed


class Desk:
    """Tokens of one issuer, with clocks in the test's hand."""

    def __init__(self, *, terms: Terms | None = None, bench: Bench | None = None, **issuer: object) -> None:
        self.server = Keys()
        self.clock = FakeClock()
        self.wall = FakeClock(NOW)
        self.signers = SigningKeys(structs.replace(ISSUER, **issuer), fetch=self.server, clock=self.clock)
        self.tokens = Tokens(
            self.signers, terms=terms or Terms(), stored=bench.stored if bench else None, wall=self.wall
        )

    def find(self, token: bytes) -> Principal:
        return self.tokens.find(digest(b"p", token), token)


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.signers.look()
    return made


def good(**changes: object) -> dict[str, object]:
    return claims(NOW, **changes)


@pytest.mark.parametrize(
    "token",
    [
        signed(good()),
        signed(good(), algorithm="PS256"),
        signed(good(), key=EC_KEY, algorithm="ES256", kid="ec"),
        signed(good(), key=ED_KEY, algorithm="EdDSA", kid="ed"),
        signed(good(), key=EC_KEY, header={"alg": "ES256"}, algorithm="ES256", kid=None),
        signed(good(), header={"typ": "JWT"}),
        signed(good(), header={"typ": "at+JWT"}),
        signed(good(aud=["other", "tollway"])),
        signed(good(nbf=None, iat=None)),
        signed(good(exp=NOW + 0.5)),
        signed(good(exp=NOW - 29)),
        signed(good(nbf=NOW + 29)),
        signed(good(iat=NOW + 10_000)),
        signed(good(extra={"deep": [1, 2, {"a": None}]})),
        signed(good(), header=b'{ "alg" : "RS256", "kid":"rsa"}'),
        signed(good(), header=b'{\n"alg":"RS256","kid":"rsa"}'),
        signed(good(), header={"jku": "https://evil.test/keys", "x5u": "https://evil.test", "jwk": {"kty": "oct", "k": "AA"}}),
    ],
)  # fmt: skip
async def test_a_good_token(desk: Desk, token: bytes) -> None:
    assert looks_like_token(token)
    principal = desk.find(token)
    assert principal.name == "alice"
    assert (principal.key, principal.account, principal.tenant) == ("jwt/alice", "jwt/alice", "jwt/alice")
    assert principal.models == ("*",)
    assert desk.server.asked == [ISSUER.jwks_url], "nobody was asked for anything"


# ---- attacks --------------------------------------------------------------------------------------------------------


def unsigned(header: dict[str, object], body: dict[str, object], signature: bytes = b"") -> bytes:
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(map(encoded, parts)).encode()


def hmac_with_public_key(form: str) -> bytes:
    """The classic confusion: the public key, which everybody has, as an HMAC secret."""
    secret = RSA_KEY.as_pem(private=False) if form == "pem" else json.dumps(public(RSA_KEY, "rsa")).encode()
    text = unsigned({"alg": "HS256", "kid": "rsa"}, good()).rstrip(b".")
    return text + b"." + encoded(hmac.digest(secret, text, hashlib.sha256)).encode()


def flipped(token: bytes, part: int) -> bytes:
    """One bit of a part changed."""
    parts = token.split(b".")
    data = bytearray(base64.urlsafe_b64decode(parts[part] + b"=="))
    data[len(data) // 2] ^= 1
    parts[part] = encoded(bytes(data)).encode()
    return b".".join(parts)


def swapped_body() -> bytes:
    head, _, signature = signed(good()).split(b".")
    return b".".join((head, encoded(json.dumps(good(sub="root")).encode()).encode(), signature))


def relabelled(algorithm: str, kid: str) -> bytes:
    """A good RS256 signature under another header."""
    _, body, signature = signed(good()).split(b".")
    head = encoded(json.dumps({"alg": algorithm, "kid": kid}).encode()).encode()
    return b".".join((head, body, signature))


RS = signed(good())
ATTACKS: dict[str, tuple[bytes, str]] = {
    "alg none": (unsigned({"alg": "none"}, good()), "algorithm"),
    "alg None": (unsigned({"alg": "None", "kid": "rsa"}, good()), "algorithm"),
    "alg none, signed": (unsigned({"alg": "none", "kid": "rsa"}, good(), b"x"), "algorithm"),
    "no alg": (unsigned({"kid": "rsa"}, good(), b"x"), "algorithm"),
    "alg is a list": (unsigned({"alg": ["RS256"], "kid": "rsa"}, good(), b"x"), "algorithm"),
    "alg is null": (unsigned({"alg": None, "kid": "rsa"}, good(), b"x"), "algorithm"),
    "HS256 with the public key as PEM": (hmac_with_public_key("pem"), "algorithm"),
    "HS256 with the public key as JWK": (hmac_with_public_key("jwk"), "algorithm"),
    "an algorithm that is not allowed": (signed(good(), algorithm="RS512"), "algorithm"),
    "an empty signature": (unsigned({"alg": "RS256", "kid": "rsa"}, good()), "signature"),
    "zeros as an ECDSA signature": (unsigned({"alg": "ES256", "kid": "ec"}, good(), bytes(64)), "signature"),
    "a short ECDSA signature": (unsigned({"alg": "ES256", "kid": "ec"}, good(), b"x" * 10), "signature"),
    "a short EdDSA signature": (unsigned({"alg": "EdDSA", "kid": "ed"}, good(), b"x"), "signature"),
    "another's key under a known kid": (signed(good(), key=OTHER_RSA), "signature"),
    "a changed body": (flipped(RS, 1), "signature"),
    "another body": (swapped_body(), "signature"),
    "a changed signature": (flipped(RS, 2), "signature"),
    "RS256 called PS256": (relabelled("PS256", "rsa"), "signature"),
    "a header's own key": (signed(good(), key=OTHER_RSA, header={"jwk": public(OTHER_RSA)}), "signature"),
    "crit": (signed(good(), header={"crit": ["exp"]}), "crit"),
    "an empty crit": (signed(good(), header={"crit": []}), "crit"),
    "b64": (signed(good(), header={"b64": False}), "b64"),
    "zip": (signed(good(), header={"zip": "DEF"}), "zip"),
    "nested": (signed(RS, header={"cty": "JWT"}), "another token"),
    "nested without saying so": (signed(RS), "cannot be read"),
    "encrypted": (b"eyJhbGciOiJSU0EtT0FFUCJ9.AAAA.AAAA.AAAA.AAAA", "encrypted"),
    "a logout token": (signed(good(), header={"typ": "logout+jwt"}), "type"),
    "a type that is no text": (signed(good(), header={"typ": 5}), "type"),
    "kid is a path": (signed(good(), header={"kid": ["rsa"]}), "key id"),
    "expired": (signed(good(exp=NOW - 30)), "expired"),
    "expired long ago": (signed(good(exp=0)), "expired"),
    "never expires": (signed(good(exp=None)), "never expires"),
    "exp as text": (signed(good(exp=str(NOW + 600))), "exp is no time"),
    "exp as true": (signed(good(exp=True)), "exp is no time"),
    "exp too large": (signed(good(exp=10**400)), "exp is no time"),
    "exp as 1e999": (signed(json.dumps(good(exp=1)).replace('"exp": 1', '"exp": 1e999').encode()), "exp is no time"),
    "exp as Infinity": (signed(json.dumps(good(exp=float("inf"))).encode()), "cannot be read"),
    "exp as NaN": (signed(json.dumps(good(exp=float("nan"))).encode()), "cannot be read"),
    "exp of 5,000 digits": (
        signed(json.dumps(good(exp=1)).replace('"exp": 1', '"exp": 1' + "0" * 5_000).encode()), "cannot be read",
    ),
    "not yet": (signed(good(nbf=NOW + 31)), "not valid yet"),
    "nbf as text": (signed(good(nbf="soon")), "nbf is no time"),
    "iat as a list": (signed(good(iat=[1])), "iat is no time"),
    "another audience": (signed(good(aud="other")), "audience"),
    "other audiences": (signed(good(aud=["other", "tollway2"])), "audience"),
    "no audience": (signed(good(aud=None)), "audience"),
    "audience as a map": (signed(good(aud={"tollway": 1})), "audience"),
    "audience that contains ours": (signed(good(aud="my tollway")), "audience"),
    "another issuer": (signed(good(iss="https://evil.test")), "issuer"),
    "nearly our issuer": (signed(good(iss=URL + "/")), "issuer"),
    "no issuer": (signed(good(iss=None)), "issuer"),
    "issuers": (signed(good(iss=[URL])), "issuer"),
    "nobody": (signed(good(sub=None)), "names nobody"),
    "an empty name": (signed(good(sub="")), "names nobody"),
    "a number": (signed(good(sub=7)), "names nobody"),
    "a name with control characters": (signed(good(sub="a\nb\x00")), "names nobody"),
    "a name without end": (signed(good(sub="a" * 256)), "names nobody"),
    "an oversized token": (signed(good(extra="x" * 8_000)), "larger than"),
    "a megabyte": (RS + b"A" * 1_000_000, "larger than"),
    "a claim twice": (signed(b'{"sub":"alice",' + json.dumps(good(sub="root")).encode()[1:]), "cannot be read"),
    "a header twice": (signed(good(), header=b'{"alg":"none","alg":"RS256","kid":"rsa"}'), "cannot be read"),
    "deep claims": (signed(b"[" * 4_000), "cannot be read"),
    "claims that are a list": (signed(b"[]"), "cannot be read"),
    "claims that are not JSON": (signed(b"sub=alice"), "cannot be read"),
    "claims that are not UTF-8": (signed(b'{"sub":"\xff"}'), "cannot be read"),
    "claims with a byte-order mark": (signed(b"\xef\xbb\xbf" + json.dumps(good()).encode()), "cannot be read"),
    "padding": (RS + b"=", "base64url"),
    "a space in it": (RS[:-3] + b" " + RS[-3:], "base64url"),
    "ordinary base64": (RS.rsplit(b".", 1)[0] + b"." + b"+/+/", "base64url"),
    "a newline at its end": (RS + b"\n", "base64url"),
    "spare bits at its end": (RS[:-1] + (b"B" if RS[-1:] == b"A" else bytes([RS[-1] + 1])), "base64url"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks(desk: Desk, name: str) -> None:
    token, why = ATTACKS[name]
    for _ in range(2):
        with pytest.raises(TokenRefused, match=why) as caught:
            desk.find(token)
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    for secret in (token.decode("latin-1")[:40], "evil", "alice", "root"):
        assert secret not in caught.value.message
    assert len(desk.tokens._verified) <= 1
    assert len(desk.server.asked) == 1


@pytest.mark.parametrize(
    ("token", "looks"),
    [
        (RS, True), (b"eyJ.a.b", True), (b"eyJ.a.b.c.d", True), (b"eyJ.a.b.c", False), (b"sk-tw-abc", False),
        (b"a.b.c", False), (b"", False), (b"..", False), (b"e.y.J", False),
    ],
)  # fmt: skip
def test_what_looks_like_a_token(token: bytes, looks: bool) -> None:
    assert looks_like_token(token) is looks


# ---- keys that change -----------------------------------------------------------------------------------------------


async def test_an_unknown_key_is_asked_for_and_the_client_told_to_come_back(desk: Desk) -> None:
    token = signed(good(), key=OTHER_RSA, kid="new")
    desk.clock.advance(EARLIEST)
    with pytest.raises(SignerUnknown) as caught:
        desk.find(token)
    headers = dict(answer_headers(caught.value, "id"))
    assert caught.value.status == 401
    assert headers[b"x-should-retry"] == b"true"
    assert 1 <= int(headers[b"retry-after"]) <= EARLIEST
    assert desk.signers._wanted.is_set()
    desk.server.source = jwks(public(OTHER_RSA, "new"))
    await desk.signers.look()
    assert desk.find(token).name == "alice"


async def test_a_key_that_was_taken_back_signs_nothing_any_more(desk: Desk) -> None:
    assert desk.find(RS).name == "alice"
    desk.server.source = jwks(public(OTHER_RSA, "new"))
    await desk.signers.look()
    with pytest.raises(SignerUnknown):
        desk.find(RS)


async def test_a_kid_that_another_key_took_over(desk: Desk) -> None:
    desk.find(RS)
    desk.server.source = jwks(public(OTHER_RSA, "rsa"))
    await desk.signers.look()
    with pytest.raises(TokenRefused, match="signature"):
        desk.find(RS)
    assert desk.find(signed(good(), key=OTHER_RSA)).name == "alice"


async def test_before_the_keys_are_there_nobody_is_wrong() -> None:
    desk = Desk()
    with pytest.raises(KeysUnavailable) as caught:
        desk.find(RS)
    assert caught.value.status == 503
    assert b"retry-after" in dict(caught.value.headers)


async def test_while_the_issuer_is_down_its_tokens_work(desk: Desk) -> None:
    desk.server.source = OSError("down")
    await desk.signers.look()
    assert desk.find(signed(good(sub="bob"))).name == "bob"


async def test_a_signature_is_checked_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    principal = desk.find(RS)
    monkeypatch.setattr(desk.tokens, "_check", lambda _: pytest.fail("checked again"))
    assert desk.find(RS) is principal


async def test_verified_tokens_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.identity.tokens.VERIFIED", 3)
    tokens = [signed(good(jti=str(n))) for n in range(5)]
    for token in tokens:
        desk.find(token)
    assert list(desk.tokens._verified) == [digest(b"p", token) for token in tokens[2:]]


async def test_a_verified_token_expires_all_the_same(desk: Desk) -> None:
    token = signed(good(exp=NOW + 60))
    assert desk.find(token).expires == NOW + 90
    desk.wall.now = NOW + 89.9
    desk.find(token)
    desk.wall.now = NOW + 90
    with pytest.raises(TokenRefused, match="expired"):
        desk.find(token)


async def test_clock_steps_of_an_hour_both_ways(desk: Desk) -> None:
    """Claims follow the wall clock, there and back, verified before or not."""
    token, later = signed(good()), signed(good(nbf=NOW + 3000, exp=NOW + 9000))
    desk.find(token)
    for step, refused in [(3600, "expired"), (0, None), (-3600, "not valid yet"), (0, None)]:
        desk.wall.now = NOW + step
        if refused is None:
            assert desk.find(token).name == "alice"
        else:
            with pytest.raises(TokenRefused, match=refused):
                desk.find(token)
    with pytest.raises(TokenRefused, match="not valid yet"):
        desk.find(later)
    desk.wall.now = NOW + 3600
    assert desk.find(later).name == "alice"


# ---- claims to callers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "body", "account"),
    [
        ("org", {"org": "acme"}, "jwt/acme"),
        ("org.id", {"org": {"id": "acme"}}, "jwt/acme"),
        ("https://x.test/org", {"https://x.test/org": "acme"}, "jwt/acme"),
        ("org.id", {"org.id": "literal", "org": {"id": "deep"}}, "jwt/literal"),
        ("org", {}, None),
        ("org.id", {"org": "acme"}, None),
        ("org.id", {"org": ["id"]}, None),
        ("org", {"org": 5}, None),
        ("org", {"org": ["acme"]}, None),
        ("org", {"org": ""}, None),
        ("org", {"org": "a\x00b"}, None),
    ],
)
async def test_the_account_is_a_claim(claim: str, body: dict[str, object], account: str | None) -> None:
    desk = Desk(account_claim=claim)
    await desk.signers.look()
    token = signed(good(**body))
    if account is not None:
        found = desk.find(token)
        assert (found.account, found.tenant, found.name) == (account, account, "alice")
        return
    with pytest.raises(TokenRefused, match="names no account"):
        desk.find(token)


async def test_tokens_without_an_account_share_the_configured_one() -> None:
    desk = Desk(account_claim="org", account="guests")
    await desk.signers.look()
    assert desk.find(signed(good())).account == "guests"
    assert desk.find(signed(good(org="acme"))).account == "jwt/acme"
    with pytest.raises(TokenRefused):
        desk.find(signed(good(org=7)))


async def test_no_token_names_itself_into_a_key_of_the_file(desk: Desk) -> None:
    callers = Callers([("k", file_key("alice"))], failures(), terms=Terms(), tokens=desk.tokens)
    own, token = callers.identify([b"k"], "a"), callers.identify([signed(good())], "a")
    assert own.tenant == "alice" != token.tenant
    assert own.key != token.key


async def test_an_account_that_the_operator_made_is_the_callers() -> None:
    terms = Terms(accounts={"team": file_account("team", limits=Limits(rpm=5))}, default=Limits(tpm=100))
    bench = Bench([account("acc_1", name="stored", limits=Limits(rpm=7))])
    desk = Desk(account_claim="org", terms=terms, bench=bench)
    await desk.signers.look()
    with pytest.raises(KeysUnavailable):
        desk.find(signed(good(org="team")))
    await bench.follow()

    def limits(org: str) -> tuple[str, dict[str, int]]:
        found = desk.find(signed(good(org=org)))
        return found.account, {rule.ident: rule.limit for rule in found.rules}

    assert limits("team") == ("team", {"key/jwt/alice/tpm": 100, "account/team/rpm": 5})
    for org in ("stored", "acc_1"):
        assert limits(org) == ("acc_1", {"key/jwt/alice/tpm": 100, "account/acc_1/rpm": 7})
    bench.rows.put(account("acc_1", name="stored", status="suspended"))
    await bench.follow()
    with pytest.raises(PermissionDenied):
        limits("stored")


@pytest.mark.parametrize(
    ("value", "models"),
    [
        (["a", "b*"], ("a", "b*")),
        ("a b*", ("a", "b*")),
        (["*"], ("*",)),
        (None, ()),
        ([], ()),
        ("", ()),
        ({"a": 1}, None),
        ([1], None),
        (["a\n"], None),
        (["a"] * 101, None),
        (True, None),
    ],
)
async def test_models_are_a_claim(value: object, models: tuple[str, ...] | None) -> None:
    desk = Desk(models_claim="models")
    await desk.signers.look()
    token = signed(good(models=value))
    if models is None:
        with pytest.raises(TokenRefused, match="models"):
            desk.find(token)
        return
    found = desk.find(token)
    assert found.models == models
    assert found.passthrough is ("*" in models)


# ---- among other credentials ----------------------------------------------------------------------------------------


async def test_a_forged_token_is_a_guess(desk: Desk) -> None:
    callers = Callers([], failures(per_address=1), terms=Terms(), tokens=desk.tokens)
    with pytest.raises(TokenRefused):
        callers.identify([ATTACKS["alg none"][0]], "a")
    with pytest.raises(RateLimited):
        callers.identify([ATTACKS["alg none"][0]], "a")
    assert callers.identify([RS], "a").name == "alice"


async def test_a_token_and_a_key_at_once(desk: Desk) -> None:
    callers = Callers([("k", file_key("app"))], failures(), terms=Terms(), tokens=desk.tokens)
    assert callers.identify([RS, b"k"], "a").name == "alice"
    assert callers.identify([ATTACKS["expired"][0], b"k"], "a").name == "app"
    with pytest.raises(AuthenticationFailed, match="expired"):
        callers.identify([b"wrong", ATTACKS["expired"][0]], "a")


async def test_a_large_token_is_not_parsed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.identity.tokens._object", lambda *_: pytest.fail("parsed"))
    with pytest.raises(TokenRefused, match="larger"):
        desk.find(RS + b"A" * LARGEST)


def test_the_extra_is_imported_for_tokens_only() -> None:
    """Keys do without it."""
    code = "import sys, proxy.identity.callers, proxy.identity.stored; sys.exit('joserfc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
