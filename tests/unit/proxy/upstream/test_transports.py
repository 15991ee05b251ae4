"""Which transport carries a provider's requests."""

import pytest

from proxy.config.secrets import Secret
from proxy.config.traffic import Provider
from proxy.protocols import Transport
from proxy.transports import TransportPool
from proxy.upstream.lean import LeanTransport
from proxy.upstream.session import SessionTransport
from tests.support.clock import FakeClock

URL = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        (Provider(use="openai", base_url=URL), LeanTransport),
        (Provider(use="openai", base_url=URL, transport="session"), SessionTransport),
        (Provider(use="openai", base_url=URL, proxy=Secret("http://127.0.0.1:2")), SessionTransport),
    ],
    ids=["lean", "session", "proxy"],
)
async def test_the_kind_of_a_transport(provider: Provider, kind: type[Transport]) -> None:
    pool = TransportPool(FakeClock())
    assert type(pool.use({"p": provider})["p"]) is kind
    await pool.close()


async def test_another_kind_is_another_pool() -> None:
    pool = TransportPool(FakeClock())
    lean, session = Provider(use="openai", base_url=URL), Provider(use="openai", base_url=URL, transport="session")
    first = pool.use({"p": lean})["p"]
    assert pool.use({"p": lean})["p"] is first
    assert type(pool.use({"p": session})["p"]) is SessionTransport
    await pool.close()
