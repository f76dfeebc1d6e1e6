"""Questions to ClickHouse."""

from __future__ import annotations

from collections.abc import Callable

from gateway.settings import Settings


class Queries:
    """The only place that knows tables."""

    def __init__(self, settings: Settings, suspect: Callable[[], None]) -> None:
        self._settings = settings
        self._suspect = suspect

    async def probe(self) -> None:
        """Succeeds when ClickHouse answers."""
        raise ConnectionError("not asked")

    async def close(self) -> None:
        """Ends the connections."""
