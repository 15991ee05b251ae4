"""The OpenAPI 3.1 document, made from the route table and the very Structs that decode and answer."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from . import answers
from .asked import Nothing
from .calls import AnyRoute

Schema = dict[str, Any]

_PARAMETER = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{name}"
_JSON = "application/json"

FAILURES: Mapping[int, str] = {
    400: "Something in the request is wrong; `param` names it",
    401: "No admin key, or a wrong one",
    403: "No admin key is configured, or it may not do this",
    404: "There is no such thing",
    405: "The path does not take this method",
    408: "The body took too long",
    409: "It contradicts what is there: a name that is taken, another version, a repeated Idempotency-Key with another body",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many wrong keys",
    500: "A fault of the gateway",
    501: "The gateway has no database",
    503: "The database cannot be used now",
}
_OF_BODIES = frozenset((408, 413, 415))


def document(table: Sequence[AnyRoute], prefix: str, version: str) -> Schema:
    """The whole document as JSON values."""
    kinds: list[Any] = [answers.Failure]
    for route in table:
        kinds += [route.answer, route.query, *([] if route.body is Nothing else [route.body])]
    shapes, components = msgspec.json.schema_components(kinds, schema_hook=_anything, ref_template=_REF)
    by_type = dict(zip(map(repr, kinds), shapes, strict=True))
    paths: dict[str, Schema] = {}
    for route in table:
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    queried = {repr(route.query) for route in table}
    names = {by_type[kind]["$ref"].rpartition("/")[2] for kind in queried}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tollway admin API",
            "version": version,
            "description": "Accounts, keys, credits, vouchers and usage of a Tollway gateway.",
        },
        "security": [{"bearer": []}, {"header": []}],
        "paths": {**paths, prefix + "/openapi.json": _itself()},
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in names},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _anything(_: type) -> Schema:
    """``object`` in a Struct: any JSON value."""
    return {"description": "Any JSON value."}


def _operation(route: AnyRoute, by_type: Mapping[str, Schema], components: Mapping[str, Schema]) -> Schema:
    owner = route.handle.__module__.rpartition(".")[2]
    operation: Schema = {
        "operationId": f"{owner}_{route.handle.__name__}_{route.method.lower()}",
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "parameters": [*_of_path(route.path), *_of_query(by_type[repr(route.query)], components), *_of_headers(route)],
        "responses": {
            str(route.status): {
                "description": "Done" if route.status == 201 else "Answered",
                "content": {_JSON: {"schema": by_type[repr(route.answer)]}},
            },
            **_failures(route, by_type[repr(answers.Failure)]),
        },
    }
    if route.body is not Nothing:
        body = by_type[repr(route.body)]
        name = body["$ref"].rpartition("/")[2]
        required = bool(components[name].get("required"))
        operation["requestBody"] = {"required": required, "content": {_JSON: {"schema": body}}}
    return operation


def _failures(route: AnyRoute, failure: Schema) -> Schema:
    left_out = set() if route.method != "GET" else {409}
    if route.body is Nothing:
        left_out |= _OF_BODIES if route.method == "GET" else set()
    return {
        str(status): {"description": text, "content": {_JSON: {"schema": failure}}}
        for status, text in FAILURES.items()
        if status not in left_out
    }


def _of_path(path: str) -> Iterable[Schema]:
    for name in _PARAMETER.findall(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }


def _of_query(shape: Schema, components: Mapping[str, Schema]) -> Iterable[Schema]:
    described = components[shape["$ref"].rpartition("/")[2]]
    required = described.get("required", [])
    for name, schema in described.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in required, "schema": _without_null(schema)}


def _without_null(schema: Schema) -> Schema:
    """A parameter that is not given is not there: it is never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    return options[0] if len(options) == 1 else {key: value for key, value in schema.items() if value is not None}


def _of_headers(route: AnyRoute) -> Iterable[Schema]:
    if route.once:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same key and body again: done once, answered as the first time, without secrets.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    if route.versioned:
        yield {
            "name": "If-Match",
            "in": "header",
            "description": "Only if the object still has this version.",
            "schema": {"type": "string", "pattern": r'^(\*|"?[0-9]{1,18}"?)$'},
        }


def _itself() -> Schema:
    return {
        "get": {
            "operationId": "openapi_get",
            "summary": "This document",
            "tags": ["openapi"],
            "responses": {"200": {"description": "OpenAPI 3.1", "content": {_JSON: {"schema": {"type": "object"}}}}},
        }
    }
