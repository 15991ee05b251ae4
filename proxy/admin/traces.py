"""How a request was routed, and what became of it."""

from ..errors import ObjectNotFound
from . import answers
from .asked import Nothing
from .calls import Call
from .desk import Desk


async def trace(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Trace:
    """The explanation of a request that this process, or with a shared state any, has routed lately."""
    found = await desk.trace(call.path["request"])
    if found is None:
        raise ObjectNotFound(
            "No trace of a request with this id is kept here: the last ones are (routing.traces), by the worker that served them; "
            "sent with x-tollway-trace: true they can be asked for at every worker for ten minutes.",
            param="trace",
        )
    return answers.Trace(request_id=call.path["request"], route=dict(found))
