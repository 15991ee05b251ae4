"""The telemetry of one arm of a trial: every request that ends is noted on its way to the real one."""

from ..context import RequestContext
from ..protocols import Telemetry
from .arm import Arm
from .canary import Trial


class ArmTelemetry:
    """Implements ``protocols.Telemetry`` around another."""

    def __init__(self, inner: Telemetry, trial: Trial, arm: Arm) -> None:
        self._inner = inner
        self._trial = trial
        self._arm = arm

    def record(self, ctx: RequestContext, ended: float) -> None:
        """Every request comes by here once."""
        self._trial.note(self._arm, ctx)
        self._inner.record(ctx, ended)

    def settler_failed(self, name: str, error: BaseException) -> None:
        """As the inner one."""
        self._inner.settler_failed(name, error)

    def unexpected(self, ctx: RequestContext, error: BaseException) -> None:
        """As the inner one."""
        self._inner.unexpected(ctx, error)
