"""Who exports: the service's name and version, and which of its processes. OpenTelemetry's own variables have the first word."""

import os
from collections.abc import Mapping
from uuid import uuid4

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.sdk import resources
from opentelemetry.sdk.environment_variables import OTEL_RESOURCE_ATTRIBUTES

from ... import __version__
from .encoding import attributes_of

SERVICE = "tollway"
_UNKNOWN = "unknown_service"
_INSTANCE = "service.instance.id"


def resource(*, workers: int) -> Resource:
    """This process. Each worker is an instance of its own: their counters would else be taken for one that jumps."""
    found = dict(resources.Resource.create({}).attributes)
    name = str(found.get("service.name", ""))
    if not name or name.startswith(_UNKNOWN):
        found["service.name"] = SERVICE
    found.setdefault("service.version", __version__)
    if _INSTANCE not in os.environ.get(OTEL_RESOURCE_ATTRIBUTES, ""):
        found[_INSTANCE] = str(uuid4())
    elif workers > 1:
        found[_INSTANCE] = f"{found[_INSTANCE]}/{os.getpid()}"
    found["process.pid"] = os.getpid()
    return Resource(attributes=attributes_of(_plain(found)))


def _plain(found: Mapping[str, object]) -> dict[str, str | int | float | bool | None]:
    return {
        name: value if isinstance(value, str | int | float | bool) else ",".join(map(str, value))
        for name, value in found.items()
        if isinstance(value, str | int | float | bool | tuple)
    }


def scope() -> InstrumentationScope:
    """What made the spans and metrics."""
    return InstrumentationScope(name=SERVICE, version=__version__)
