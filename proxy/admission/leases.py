"""Reservations of requests under way, renewed together: what a killed process held is given back when its leases run out."""

import asyncio
import logging

from ..policy.rules import Reservation
from ..protocols import LimitStore

LEASE = 60.0
"""Seconds that a hold outlives its process."""

EVERY = 15.0
"""Seconds between renewals."""

_log = logging.getLogger("tollway.limits")


class Leases:
    """Knows every open reservation of this process."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._open: dict[str, Reservation] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, reservation: Reservation) -> None:
        """It is under way."""
        self._open[reservation.ident] = reservation

    def remove(self, reservation: Reservation) -> None:
        """It has ended."""
        self._open.pop(reservation.ident, None)

    async def run(self) -> None:
        """Renews for ever, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                # Also with none: a store uses the call to drop counters that say nothing any more.
                await self._store.renew(list(self._open.values()), LEASE)
            except Exception as error:  # noqa: BLE001 - a round that fails leaves three more before a lease runs out
                _log.error("renewing reservations failed: %s", type(error).__name__)
