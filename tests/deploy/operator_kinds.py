"""The shapes of objects that Kubernetes' own schemas do not know: those of the Prometheus operator and of the Gateway API.

Written down from their references (monitoring.coreos.com/v1, gateway.networking.k8s.io/v1): the fields that we use, and no other.
"""

from typing import Any

import jsonschema

Object = dict[str, Any]

_DURATION = r"^([0-9]+(ms|s|m|h|d))+$"
_TEXTS: Object = {"type": "object", "additionalProperties": {"type": "string"}}
_RELABEL: Object = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "sourceLabels": {"type": "array", "items": {"type": "string"}},
            "targetLabel": {"type": "string"},
            "regex": {"type": "string"},
            "replacement": {"type": "string"},
            "action": {"enum": ["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod"]},
        },
    },
}


def _object(required: list[str], **properties: Object) -> Object:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _list(items: Object) -> Object:
    return {"type": "array", "minItems": 1, "items": items}


def _monitor(endpoints: str) -> Object:
    endpoint = _object(
        ["port", "path", "interval"],
        port={"type": "string"},
        path={"const": "/metrics"},
        interval={"type": "string", "pattern": _DURATION},
        scrapeTimeout={"type": "string", "pattern": _DURATION},
        authorization=_object(
            ["credentials"],
            credentials=_object(["name", "key"], name={"type": "string"}, key={"type": "string"}),
        ),
        relabelings=_RELABEL,
        metricRelabelings=_RELABEL,
    )
    return _object(
        ["selector", endpoints],
        jobLabel={"type": "string"},
        selector=_object(["matchLabels"], matchLabels=_TEXTS),
        **{endpoints: _list(endpoint)},
    )


_RULE: Object = {
    "type": "object",
    "additionalProperties": False,
    "required": ["expr"],
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
    "properties": {
        "alert": {"type": "string"},
        "record": {"type": "string"},
        "expr": {"type": "string", "minLength": 1},
        "for": {"type": "string", "pattern": _DURATION},
        "keep_firing_for": {"type": "string", "pattern": _DURATION},
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
}
_GROUP = _object(
    ["name", "rules"],
    name={"type": "string"},
    interval={"type": "string", "pattern": _DURATION},
    rules=_list(_RULE),
)
_PARENT = _object(
    ["name"],
    name={"type": "string"},
    namespace={"type": "string"},
    sectionName={"type": "string"},
    port={"type": "integer"},
    group={"type": "string"},
    kind={"type": "string"},
)
_MATCH = _object(
    [],
    path=_object(
        ["type", "value"], type={"enum": ["PathPrefix", "Exact", "RegularExpression"]}, value={"pattern": "^/"}
    ),
    headers=_list({"type": "object", "required": ["name", "value"]}),
    method={"type": "string"},
)
_ROUTE_RULE = _object(
    ["matches", "backendRefs"],
    matches=_list(_MATCH),
    timeouts=_object(
        [],
        request={"type": "string", "pattern": _DURATION},
        backendRequest={"type": "string", "pattern": _DURATION},
    ),
    backendRefs=_list(_object(["name", "port"], name={"type": "string"}, port={"type": "integer"})),
)

SPECS: dict[tuple[str, str], Object] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _monitor("endpoints"),
    ("monitoring.coreos.com/v1", "PodMonitor"): _monitor("podMetricsEndpoints"),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(["groups"], groups=_list(_GROUP)),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _object(
        ["parentRefs", "rules"],
        parentRefs=_list(_PARENT),
        hostnames=_list({"type": "string"}),
        rules=_list(_ROUTE_RULE),
    ),
}


def known(item: Object) -> bool:
    """Is it one of these kinds?"""
    return (item["apiVersion"], item["kind"]) in SPECS


def check(item: Object) -> None:
    """Raises ``jsonschema.ValidationError`` for an object of one of these kinds that its operator would refuse."""
    assert set(item) == {"apiVersion", "kind", "metadata", "spec"}, sorted(item)
    jsonschema.Draft202012Validator(SPECS[item["apiVersion"], item["kind"]]).validate(item["spec"])
