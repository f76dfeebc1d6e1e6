"""The ClickHouse client of a sink: the three things it does, with errors sorted by what is to be done."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.clickhouse.errors import StoreAway, Wiped
from sinks.clickhouse.settings import Settings

INSERT_SETTINGS = {
    "max_partitions_per_insert_block": "0",  # a batch of old points may touch many days
    "insert_deduplicate": "1",
    "async_insert": "0",
}


class Store:
    """A connection to one ClickHouse node; used by one thread. Connects when first asked, and again after a failure.

    Each method blocks for `Settings.timeout` at the most.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Runs a statement that gives no rows.

        Raises:
            StoreAway, Wiped: as their names say.
        """
        self._call(lambda client: client.command(sql, settings={"database": database} if database else None))

    def rows(self, sql: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """The rows of a query with `{name:Type}` parameters.

        Raises:
            StoreAway, Wiped: as their names say.
        """
        found: Sequence[Sequence[Any]] = self._call(lambda client: client.query(sql, parameters=parameters).result_rows)
        return found

    def insert(self, table: str, block: bytes, token: str) -> None:
        """Inserts a block in Native format; the same token a second time inserts nothing.

        Raises:
            StoreAway, Wiped: as their names say; whether the block was inserted is then unknown.
        """
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        self._call(lambda client: client.raw_insert(table, insert_block=block, settings=settings, fmt="Native"))

    def close(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(ClickHouseError, OSError):
                client.close()

    def _call(self, call: Any) -> Any:
        try:
            if self._client is None:
                self._client = self._connect()
            return call(self._client)
        except ClickHouseError as error:
            text = str(error)
            if "UNKNOWN_TABLE" in text or "UNKNOWN_DATABASE" in text:
                raise Wiped(_line(text)) from error
            self.close()
            raise StoreAway(_line(text)) from error
        except OSError as error:
            self.close()
            raise StoreAway(_line(str(error))) from error

    def _connect(self) -> Any:
        address = urlsplit(self._settings.clickhouse)
        local = address.hostname in {"127.0.0.1", "localhost", "::1"}
        return clickhouse_connect.get_client(
            host=address.hostname,
            port=address.port or (8443 if address.scheme == "https" else 8123),
            interface=address.scheme,
            username=self._settings.user,
            password=self._settings.password,
            connect_timeout=2,
            send_receive_timeout=int(self._settings.timeout),
            compress=not local,
            query_retries=0,
            autogenerate_session_id=False,
            dedicated_pool=True,
        )


def _line(text: str) -> str:
    return (text.splitlines() or [""])[0][:300]
