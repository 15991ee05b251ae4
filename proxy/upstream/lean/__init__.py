"""HTTP/1.1 to a provider with little more than its bytes: no session, no request object, no task and no timer a request."""

from .transport import LeanTransport

__all__ = ["LeanTransport"]
