"""Checks that types cannot make: each refuses what is wrong, says the fix, and lets what is right pass."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from proxy.config import Loaded
from proxy.config.checks import bad_url, is_loopback

LoadText = Callable[..., Loaded]
Problems = Callable[..., list[str]]

OPEN = "auth: {mode: open}\nproviders: {openai: {use: openai}}\n"
KEYS = "providers: {openai: {use: openai}}\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "", "127.0.0.1.example.com"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_open_is_for_loopback_only(load_text: LoadText, problems: Problems) -> None:
    assert load_text(OPEN + "server: {host: '::1'}").config.auth.mode == "open"
    (said,) = problems(OPEN + "server: {host: 0.0.0.0}")
    assert "tollway.yaml:1: auth.mode: open lets everyone in" in said
    assert "server.host: 127.0.0.1" in said


def test_a_socket_is_nobody_elses(load_text: LoadText) -> None:
    """Whoever may open it may call; its host is that of the probes alone, and no port is in the way of theirs."""
    loaded = load_text(OPEN + f"server: {{uds: /{'x' * 106}, host: 0.0.0.0, health_port: 8080}}")
    assert loaded.config.auth.mode == "open"
    assert not any(warning.startswith("server.") for warning in loaded.warnings)
    short = load_text(KEYS + "keys: [{name: a, key: short}]\nserver: {uds: /run/a}")
    assert not any("shorter than" in warning for warning in short.warnings)


def test_keys_mode_wants_keys(problems: Problems) -> None:
    (said,) = problems(KEYS)
    assert 'keys: [{name: app, key: "${APP_KEY}"}]' in said


def test_keys_must_differ(problems: Problems) -> None:
    found = problems(KEYS + "keys: [{name: a, key: canary-x}, {name: a, key: canary-y}, {name: b, key: canary-x}]")
    assert [problem.split(": ", 1)[1] for problem in found] == [
        "keys[1].name: the name is already used by keys[0]",
        "keys[2].key: the same key as keys[0]: each entry needs its own",
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('""', "is empty"),
        ('" "', "is empty"),
        ('"${E:-}"', "is empty"),
        ('"a\\nb"', "line break"),
        ('"a\\0b"', "not valid|line break"),
    ],
)
def test_keys_that_no_header_can_carry(problems: Problems, value: str, said: str) -> None:
    found = problems(KEYS + f"keys: [{{name: a, key: {value}}}]")
    assert any(part in found[0] for part in said.split("|")), found


def test_a_key_with_spaces_inside_is_fine_and_around_draws_a_warning(load_text: LoadText) -> None:
    assert load_text(KEYS + "keys: [{name: a, key: two words}]").warnings == ()
    (warning,) = load_text(KEYS + "keys: [{name: a, key: ' edges '}]").warnings
    assert warning.startswith("keys[0].key: starts or ends with a space")


def test_a_short_key_beyond_loopback_draws_a_warning(load_text: LoadText) -> None:
    assert "shorter than" in load_text(KEYS + "keys: [{name: a, key: short}]\nserver: {host: 0.0.0.0}").warnings[0]
    assert load_text(KEYS + "keys: [{name: a, key: long-enough-0123456789}]\nserver: {host: 0.0.0.0}").warnings == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:9000",
        "http://[::1]:1/v1/",
        "http://ollama:11434/v1",
        "HTTP://x",
        "http://10.0.0.1/a%20b",
    ],
)
def test_base_urls(url: str) -> None:
    assert bad_url(url, credentials=False) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must start with http"),
        ("api.openai.com/v1", "must start with http"),
        ("ftp://h/", "must start with http"),
        ("file:///etc/passwd", "must start with http"),
        ("http://", "needs a host"),
        ("http:///v1", "needs a host"),
        ("http://h:99999/", "not a valid URL"),
        ("http://h:port/", "not a valid URL"),
        ("http://[::1/", "not a valid URL"),
        ("http://u:p@h/", "user name or password"),
        ("http://u@h/", "user name or password"),
        ("http://@h/", "user name or password"),
        ("http://h/?a=b", "query"),
        ("http://h/?", "query"),
        ("http://h/#f", "fragment"),
        ("http://h h/", "no spaces"),
        ("http://h/v1 ", "no spaces"),
        ("http://h\\@evil/", "no spaces"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://[fe80::1]/", "link-local"),
    ],
)
def test_base_urls_that_are_refused(url: str, said: str) -> None:
    assert said in str(bad_url(url, credentials=False))


def test_a_proxy_url_may_hold_credentials(load_text: LoadText, problems: Problems) -> None:
    text = "auth: {mode: open}\nproviders: {openai: {use: openai, proxy: '%s'}}\n"
    loaded = load_text(text % "http://user:canary@proxy:3128")
    assert loaded.config.providers["openai"].proxy is not None
    (said,) = problems(text % "socks5://user:canary@proxy:1080")
    assert "providers.openai.proxy: must start with http:// or https://" in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "{use: opnai}",
            'unknown provider "opnai"; an OpenAI-speaking server works with use: openai and its base_url (did you mean "openai"?)',
        ),
        ("{use: zzz}", 'unknown provider "zzz" (known: openai); an OpenAI-speaking server'),
        ("{use: openai, api_key: ''}", 'api_key: is empty: give a key, or "none"'),
        ('{use: openai, api_key: "a\\rb"}', "api_key: holds a line break"),
        ("{use: openai, headers: {'a b': x}}", "headers: a header's name"),
        ("{use: openai, headers: {Host: x}}", "headers.Host: is set by the gateway itself"),
        ('{use: openai, headers: {x-a: "a\\nb"}}', "headers.x-a: holds a line break"),
        ("{use: openai, ca_file: /no/such.pem}", "ca_file: file '/no/such.pem' cannot be read: No such file"),
    ],
)
def test_providers_that_are_refused(problems: Problems, written: str, said: str) -> None:
    found = problems(f"auth: {{mode: open}}\nproviders: {{p: {written}}}\n")
    assert any(said in problem for problem in found), found


def test_a_provider_name_must_fit_a_path(problems: Problems) -> None:
    assert "made of letters" in problems("auth: {mode: open}\nproviders: {'a/b': {use: openai}}")[0]


def test_targets_and_pass_through_name_known_providers(problems: Problems) -> None:
    found = problems(OPEN + "models: {m: {targets: [{provider: opnai}]}}\npassthrough: {provider: nobody}\n")
    assert found == [
        'tollway.yaml:3: models.m.targets[0].provider: unknown provider "opnai" (known: openai) (did you mean "openai"?)',
        'tollway.yaml:4: passthrough.provider: unknown provider "nobody" (known: openai)',
    ]


def test_a_broken_provider_still_counts_as_named(problems: Problems) -> None:
    found = problems(
        "auth: {mode: open}\nproviders: {p: {use: 5s, bad: 1}, q: 7}\nmodels: {m: {targets: [{provider: q}]}}\n"
    )
    assert not any("models" in problem for problem in found)


def test_certificates_are_read(load_text: LoadText, problems: Problems, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    other = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    good = "server: {tls: {cert: cert.pem, key: key.pem}}\nauth: {mode: open}\nproviders: {p: {use: openai, ca_file: ca.pem}}\n"
    loaded = load_text(good)
    assert {"cert.pem", "key.pem", "ca.pem"} <= set(loaded.sources)
    assert set(loaded.contents) == {"server.tls.cert", "server.tls.key", "providers.p.ca_file"}
    (said,) = problems(good.replace("key.pem", "other.pem"))
    assert "server.tls: cert and key are not" in said
    (said,) = problems(good.replace("ca.pem", "junk.pem"))
    assert "providers.p.ca_file: 'junk.pem' holds no PEM certificate" in said
    (said,) = problems(good.replace("cert.pem", "missing.pem"))
    assert "server.tls.cert: file 'missing.pem' cannot be read" in said


@pytest.mark.parametrize("origin", ["*", "https://app.example.com", "http://localhost:3000", "http://[::1]:3000"])
def test_cors_origins(load_text: LoadText, origin: str) -> None:
    assert load_text(OPEN + f"server: {{cors: {{origins: ['{origin}']}}}}").config.server.cors.origins == (origin,)


@pytest.mark.parametrize(
    "origin", ["", "null", "app.example.com", "https://a/", "https://a/b", "https://*.a.com", "ftp://a", "https://u@a"]
)
def test_cors_origins_that_are_refused(problems: Problems, origin: str) -> None:
    (said,) = problems(OPEN + f"server: {{cors: {{origins: ['{origin}']}}}}")
    assert 'server.cors.origins[0]: expected "*" or scheme://host[:port]' in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("server: {host: ''}", "server.host: expected an address"),
        ("server: {host: 'http://x'}", "server.host: expected an address"),
        ("server: {port: 80, health_port: 80}", "server.health_port: is the same as server.port"),
        ("server: {port: 80, admin_port: 80}", "server.admin_port: is the same as server.port"),
        ("server: {health_port: 81, admin_port: 81}", "server.admin_port: is the same as server.health_port"),
        ("server: {admin_port: 81}", "server.admin_port: there is no admin key"),
        ("server: {admin_port: 81, admin_host: 'http://x'}", "server.admin_host: expected an address"),
        ("server: {uds: tollway.sock}", "server.uds: expected the absolute path of the socket"),
        ("server: {uds: /run/tollway/}", "server.uds: expected the absolute path of the socket"),
        (f"server: {{uds: /{'x' * 107}}}", "server.uds: is longer than 107 bytes"),
        (f"server: {{uds: '/{'ä' * 54}'}}", "server.uds: is longer than 107 bytes"),
        ("server: {uds: /run/a, tls: {cert: /no/a, key: /no/b}}", "server.tls: is of no use on a Unix socket"),
        ("server: {spool_dir: /no/such}", "server.spool_dir: /no/such is not a folder"),
        (
            "telemetry: {access_log: stdot}",
            'expected stdout, stderr, off or the path of a file (with a /) (did you mean "stdout"?)',
        ),
        ("telemetry: {access_log: /no/such/log}", "telemetry.access_log: the file's folder does not exist"),
    ],
)
def test_the_rest_that_is_refused(problems: Problems, written: str, said: str) -> None:
    found = problems(OPEN + written)
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("auth: {mode: open}\n", "providers: none is configured"),
        (OPEN + "server: {health_host: 127.0.0.1}", "server.health_host: has no effect"),
        (OPEN + "server: {admin_host: 127.0.0.1}", "server.admin_host: has no effect without server.admin_port"),
        (OPEN + "server: {uds: /run/a, port: 8081}", "server.port: has no effect with server.uds"),
        (OPEN + "server: {uds: /run/a, host: 0.0.0.0}", "server.host: has no effect with server.uds"),
        (OPEN + "keys: [{name: a, key: b}]", 'keys: are not looked at while auth.mode is "open"'),
        (OPEN + "server: {max_body: 1GiB}", "server.max_body: is larger than server.max_upload"),
        (OPEN + "server: {body_idle_timeout: 10m}", "server.body_idle_timeout: is longer"),
    ],
)
def test_warnings(load_text: LoadText, text: str, said: str) -> None:
    found = load_text(text).warnings
    assert any(said in warning for warning in found), found


def test_a_good_file_draws_no_warning(load_text: LoadText) -> None:
    assert load_text(OPEN).warnings == ()


def test_a_readable_file_with_a_literal_secret_draws_a_warning(load_text: LoadText) -> None:
    file = Path("tollway.yaml")
    text = KEYS + "keys: [{name: a, key: canary}]\n"
    file.touch()
    file.chmod(0o644)
    (warning,) = load_text(text).warnings
    assert warning.startswith("keys[0].key: a secret stands in tollway.yaml")
    assert "canary" not in warning
    file.chmod(0o600)
    assert load_text(text).warnings == ()
    file.chmod(0o644)
    assert load_text(text.replace("canary", '"${OPENAI_API_KEY}"')).warnings == ()


def test_who_reads_metrics_and_how_many_keys_they_tell_of(load_text: LoadText, problems: Problems) -> None:
    telemetry = load_text(
        OPEN + "telemetry: {metrics_key: '${SCRAPE}', key_metrics: 20}", {"SCRAPE": "sk-s", "OPENAI_API_KEY": "sk-o"}
    ).config.telemetry
    assert telemetry.metrics_key is not None
    assert (telemetry.metrics_key.reveal(), telemetry.key_metrics) == ("sk-s", 20)
    assert load_text(OPEN).config.telemetry.metrics_key is None
    (said,) = problems(OPEN + "telemetry: {key_metrics: 10001}")
    assert "telemetry.key_metrics" in said


@pytest.mark.parametrize("setting", ["metrics_key: '${SCRAPE}'", "key_metrics: 5"])
def test_settings_of_metrics_that_are_off(load_text: LoadText, setting: str) -> None:
    (warning,) = load_text(
        OPEN + f"telemetry: {{prometheus: false, {setting}}}", {"SCRAPE": "sk-s", "OPENAI_API_KEY": "sk-o"}
    ).warnings
    name = setting.partition(":")[0]
    assert warning.endswith(f"telemetry.{name}: has no effect without telemetry.prometheus")
