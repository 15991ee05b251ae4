"""The provider learns its engine from the launcher, refuses what came later, and takes somebody else's engine too."""

import msgspec
import pytest

from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import EndpointUnsupported
from proxy.protocols import UpstreamRequest
from proxy.providers.base import OptionError, Settings
from proxy.providers.local import SERVING, LocalOptions, Place, provider, variable_of
from proxy.server import SERVING as TOLD
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import SURFACE

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
TARGET = Target(provider="local", model="smollm2-135m-instruct", limits=LIMITS)


def told(name: str, **options: object) -> dict[str, str]:
    place = Place(url="http://127.0.0.1:40000/v1", key="k-engine", options=msgspec.convert(options, LocalOptions))
    return {variable_of(name): msgspec.json.encode(place).decode(), SERVING: "1"}


def sent(settings: Settings, path: str = "/chat/completions") -> UpstreamRequest:
    ctx = RequestContext(
        request_id="1" * 32,
        endpoint=next(endpoint for _, known, endpoint in SURFACE if known == path),
        path=path,
        raw_headers=[(b"content-type", b"application/json"), (b"authorization", b"Bearer sk-client")],
        headers={},
        principal=Principal(name="p", tenant="t"),
        request=RequestView(model="any"),
        body=b'{"model":"any","messages":[]}',
    )
    return provider(settings).prepare(ctx, TARGET, include_usage=False, now=1).request


def test_the_launchers_engine_and_its_key() -> None:
    request = sent(Settings(name="local", environ=told("local")))
    assert request.url == "http://127.0.0.1:40000/v1/chat/completions"
    assert [value for name, value in request.headers if name == "authorization"] == ["Bearer k-engine"]


def test_the_clients_key_never_travels() -> None:
    request = sent(Settings(name="local", environ=told("local"), forwards=True))
    assert [value for name, value in request.headers if name == "authorization"] == ["Bearer k-engine"]


def test_embeddings_are_not_offered() -> None:
    with pytest.raises(EndpointUnsupported, match="local"):
        sent(Settings(name="local", environ=told("local")), "/embeddings")


def test_names_that_differ_have_variables_that_differ() -> None:
    assert len({variable_of(name) for name in ("a-b", "a_b", "a.b", "a--b", "A-B")}) == 5
    assert "__" not in variable_of("a__b").removeprefix("TOLLWAY_")


def test_an_engine_that_is_not_there_while_serving() -> None:
    with pytest.raises(OptionError, match="restart it") as error:
        provider(Settings(name="more", environ=told("local")))
    assert error.value.key == "use"


def test_an_engine_with_other_options() -> None:
    with pytest.raises(OptionError, match="restart it") as error:
        provider(Settings(name="local", options={"context": 512}, environ=told("local")))
    assert error.value.key == "options"
    provider(Settings(name="local", options={"context": 512}, environ=told("local", context=512)))


def test_looking_at_a_configuration_needs_no_engine() -> None:
    provider(Settings(name="local"))


def test_somebody_elses_engine() -> None:
    request = sent(
        Settings(name="local", base_url="http://127.0.0.1:41000/v1", api_key="k-own", environ={SERVING: "1"})
    )
    assert request.url == "http://127.0.0.1:41000/v1/chat/completions"
    assert ("authorization", "Bearer k-own") in request.headers
    with pytest.raises(OptionError, match="base_url"):
        provider(Settings(name="local", base_url="http://127.0.0.1:41000/v1", options={"context": 512}))


@pytest.mark.parametrize("options", [{"modell": "x"}, {"context": 255}, {"parallel": 0}, {"threads": -1}, {"model": 1}])
def test_options_that_are_wrong(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        provider(Settings(name="local", options=options))  # type: ignore[arg-type]


def test_both_sides_name_the_variable_alike() -> None:
    assert SERVING == TOLD
