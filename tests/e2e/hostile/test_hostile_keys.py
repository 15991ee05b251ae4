"""Guessed keys are slowed, good ones are not; and no secret ever shows, whatever goes wrong."""

import asyncio
import base64
import json
import secrets
from urllib.parse import quote

import pytest

from proxy.mock.faults import FAULTS
from tests.support.observed import metrics_text
from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import Client, ask, chat, eventually, request

pytestmark = pytest.mark.e2e


async def test_guessing_is_limited_and_a_valid_key_is_not(mock: Mock) -> None:
    with running(config_for(mock.url, auth={"mode": "keys", "failures_per_minute": 20})) as gateway:
        before = mock.stats()["requests"]
        statuses = []
        for number in range(60):
            answer = await ask(gateway.port, chat(key=f"sk-tw-guess-{number}"))
            statuses.append(answer.status)
        # A minute may turn in between, and the count begins anew.
        assert statuses[:10] == [401] * 10
        assert statuses.count(429) >= 15
        assert set(statuses) == {401, 429}
        assert answer.error["code"] == "rate_limit_exceeded"
        assert int(answer.header("retry-after") or 0) >= 1
        assert mock.stats()["requests"] == before
        assert (await ask(gateway.port, chat())).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {base64.b64encode(KEY.encode()).decode()}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Bearer {KEY.upper()}"},
        {"authorization": "Bearer \xff\xfe"},
        {"x-api-key": "wrong"},
        {"cookie": f"key={KEY}"},
    ],
)
async def test_wrong_keys_are_a_401(gateway: Gateway, mock: Mock, headers: dict[str, str]) -> None:
    before = mock.stats()["requests"]
    answer = await ask(gateway.port, chat(key=None, headers=headers))
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert KEY not in answer.body.decode()
    assert mock.stats()["requests"] == before


def shapes(secret: str) -> list[str]:
    """Forms in which a secret could slip out."""
    raw = secret.encode()
    cores = [base64.b64encode(b"\0" * lead + raw)[4:-4].decode() for lead in range(3)]
    return [secret, quote(secret), raw.hex(), base64.urlsafe_b64encode(raw).decode(), *cores]


async def test_no_secret_shows_anywhere(mock: Mock) -> None:
    client_key, wrong_key = f"sk-tw-canary/{secrets.token_hex(12)}", f"sk-wrong-{secrets.token_hex(12)}"
    provider_key, header_key = f"sk-provider-{secrets.token_hex(12)}", f"header-{secrets.token_hex(12)}"
    prompt, proxy_password = f"prompt canary {secrets.token_hex(12)}", secrets.token_hex(12)
    environ = {"CANARY_KEY": client_key, "CANARY_PROVIDER": provider_key}
    config = config_for(
        mock.url,
        keys=[{"name": "app", "key": "${CANARY_KEY}"}],
        providers={
            "mock": {"use": "openai", "base_url": mock.url, "api_key": "${CANARY_PROVIDER}", "headers": {"x-extra": header_key}},
            "gone": {"use": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "${CANARY_PROVIDER}"},
            "behind": {
                "use": "openai", "base_url": "http://upstream.invalid/v1", "api_key": "${CANARY_PROVIDER}",
                "proxy": f"http://user:{proxy_password}@127.0.0.1:9",
            },
        },
        models={
            "*": {"targets": [{"provider": "mock", "model": "*"}]},
            "gone": {"targets": [{"provider": "gone", "model": "m"}]},
            "behind": {"targets": [{"provider": "behind", "model": "m"}]},
        },
        timeouts={"first_byte": 0.3, "idle": 0.3},
        telemetry={"log_level": "debug"},
    )  # fmt: skip
    shown: list[bytes] = []
    with running(config, environ=environ) as gateway:
        messages = [{"role": "user", "content": prompt}]

        async def one(key: str, stream: bool, fault: str, **fields: object) -> None:
            # Errors of the mock's own do not quote the prompt, answers may: only errors are looked at.
            data = chat(key=key, stream=stream, messages=messages, headers={"x-mock-fault": fault}, **fields)
            answer = await ask(gateway.port, data)
            shown.append(repr(answer.headers).encode())
            if answer.status >= 400 or b'{"error"' in answer.body:
                shown.append(answer.body)

        forms = {"status": "status:042", "huge-header": "huge-header:200000", "bad-header": "bad-header:nul"}
        storm = [(forms.get(name, name), stream) for name in FAULTS if name != "slow-drip" for stream in (False, True)]
        await asyncio.gather(*(one(client_key, stream, fault) for fault, stream in storm))
        await one(wrong_key, False, "")
        for model in ("gone", "behind"):
            await one(client_key, True, "", model=model)
        broken = json.dumps({"model": "m", "messages": messages, "max_tokens": prompt}).encode()
        for data in (broken, broken[:-3], b"[" + broken, prompt.encode(), broken.replace(b"max_tokens", b"api_base")):
            answer = await ask(gateway.port, request("POST", "/v1/chat/completions", data, key=client_key))
            assert 400 <= answer.status < 500
            shown.append(answer.body + repr(answer.headers).encode())
        client = await Client.open(gateway.port)
        await client.send(chat(key=client_key, messages=messages)[:-3])
        client.reset()
        # A bad file is quoted to nobody either.
        gateway.path.write_text(
            gateway.path.read_text().replace('"use"', '"usee"').replace("${CANARY_KEY}", client_key)
        )
        await eventually(lambda: "refused" in gateway.log(), 5)
        shown += [gateway.get("/readyz")[1], metrics_text(gateway).encode()]
        gateway.terminate()
        shown.append(gateway.log().encode())
    everything = b"\n".join(shown).decode("utf-8", "replace")
    assert len(shown) > 60
    for name, secret in {
        "client key": client_key, "wrong key": wrong_key, "provider key": provider_key, "header": header_key,
        "prompt": prompt, "proxy password": proxy_password,
    }.items():  # fmt: skip
        for shape in shapes(secret):
            assert shape not in everything, (
                f"the {name} shows: ...{everything[max(0, everything.index(shape) - 300) :][:300]}"
            )
