"""The OpenAPI document describes the API as it is: valid, complete, and what is fuzzed by it keeps to it."""

import asyncio
import re
from collections.abc import Iterator

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.admin.app import PREFIX
from proxy.admin.openapi import FAILURES, document
from proxy.admin.routes import TABLE
from tests.support.asgi import Client, http_scope

from .api import KEY, Api, Json, over_sqlite
from .spent import entry, spend

DOCUMENT = document(TABLE, PREFIX, "1.2.3")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 12

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


def refs(node: Json) -> Iterator[str]:
    """Every reference below ``node``."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from refs(value)
    elif isinstance(node, list):
        for item in node:
            yield from refs(item)


def test_the_document_is_valid_and_complete() -> None:
    SCHEMA.validate()
    schemas = DOCUMENT["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in refs(DOCUMENT)} == set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(route.method, PREFIX + route.path) for route in TABLE} | {("GET", PREFIX + "/openapi.json")}
    ids = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_every_operation_says_what_can_go_wrong() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if path.endswith("/openapi.json"):
                continue
            codes = {int(code) for code in operation["responses"]}
            assert codes >= {400, 401, 403, 404, 429, 500, 501, 503}, (method, path)
            if "requestBody" in operation:
                assert codes >= {408, 409, 413, 415}, (method, path)
            named = set(re.findall(r"\{(\w+)\}", path))
            assert {each["name"] for each in operation["parameters"] if each["in"] == "path"} == named
    assert set(FAILURES) >= {400, 409, 501}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for the module: schemathesis calls from outside any."""
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def stocked(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with something of each kind."""
    context = over_sqlite(tmp_path_factory.mktemp("fuzzed"))
    api = runner.run(context.__aenter__())

    async def stock() -> None:
        account = await api.account()
        key = await api.good("POST", "/keys", {"account": "acme", "name": "k"})
        await api.good("POST", "/vouchers", {"usd": 1})
        assert api.database is not None
        await spend(api.database, entry("a" * 32, account["id"], key=key["id"]))

    runner.run(stock())
    yield api
    runner.run(context.__aexit__(None, None, None))


def answered(runner: asyncio.Runner, api: Api, case: schemathesis.Case) -> Response:
    """``case`` asked in this process."""
    asked = requests.Request(
        **case.as_transport_kwargs(base_url="http://gateway.test", headers={"authorization": f"Bearer {KEY}"})
    )
    prepared = asked.prepare()
    body = prepared.body or b""
    path, _, query = prepared.path_url.partition("?")
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1") if isinstance(value, str) else value)
        for name, value in prepared.headers.items()
    ]
    client = Client(body.encode() if isinstance(body, str) else body)
    scope = http_scope(
        prepared.method or "GET",
        requests.utils.unquote(path),
        headers=headers,
        query=query.encode(),
        raw_path=path.encode(),
    )
    runner.run(api.app(scope, client.receive, client.send))
    return Response(
        status_code=client.status,
        headers={name.decode(): [value.decode()] for name, value in client.headers.items()},
        content=client.body,
        request=prepared,
        elapsed=0.0,
        verify=False,
    )


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
def test_whatever_is_sent_is_answered_as_described(
    case: schemathesis.Case, runner: asyncio.Runner, stocked: Api
) -> None:
    case.validate_response(answered(runner, stocked, case), checks=CHECKS)
    if case.path_parameters and case.method != "DELETE" and not case.path.endswith("/revoke"):
        # Once more, for something that is there: made-up ids seldom are.
        case.path_parameters = {name: runner.run(known(stocked, name)) for name in case.path_parameters}
        case.validate_response(answered(runner, stocked, case), checks=CHECKS[:-1])


async def known(api: Api, kind: str) -> str:
    """The id of something of a kind, usable: a new account or key is made where the fuzzing has used up the others."""
    if kind == "request":
        return "a" * 32
    rows = (await api.good("GET", f"/{kind}s"))["data"]
    ids: list[str] = [row["id"] for row in rows if kind == "voucher" or row["status"] == "active"]
    if not ids and kind == "account":
        ids = [(await api.account(f"account {len(rows)}"))["id"]]
    if not ids:
        ids = [(await api.good("POST", "/keys", {"account": await known(api, "account"), "name": "k"}))["id"]]
    return ids[-1]
