"""Requests whose path carries no model: who takes them, and who may send them."""

from urllib.parse import unquote

from ..context import RequestContext, Target
from ..errors import EndpointUnsupported, NotFound, PermissionDenied
from ..protocols import Directory
from ..wire.endpoints import ADMIN_FAMILIES


def carried(ctx: RequestContext, directory: Directory, *, admin_paths: bool) -> Target:
    """The pass-through provider. Raises ``NotFound``, ``PermissionDenied`` or ``EndpointUnsupported``."""
    if administers(ctx.path) and not admin_paths:
        raise NotFound(
            f"Invalid URL ({ctx.method} {ctx.path[:200]}): account administration is not proxied; "
            "set passthrough.admin to allow it."
        )
    if not ctx.principal.passthrough:
        raise PermissionDenied(
            f"This key is limited to named models, and {ctx.path[:200]} names none; "
            "its owner can allow such paths with passthrough: true."
        )
    target = directory.passthrough()
    if target is None:
        raise EndpointUnsupported(
            f"No provider takes {ctx.path[:200]}: set passthrough.provider in the gateway's configuration."
        )
    return target


def administers(path: str) -> bool:
    """Does it lead to the administration of an account? Its first segment is read as a lenient upstream might: decoded, in lower case."""
    return unquote(path).lower().split("/", 2)[1] in ADMIN_FAMILIES
