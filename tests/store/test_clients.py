"""What unmodified clients rely on, asked of the real engine over the real endpoint."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import threading
import uuid
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.store.process import PASSWORD, READER_PASSWORD, OwnStore, client, until

pytestmark = pytest.mark.store


@pytest.fixture
def table(own: OwnStore) -> Iterator[str]:
    """An empty table (a UInt32, b String) with a deduplication window."""
    name = f"t{uuid.uuid4().hex[:8]}"
    asking = client(own)
    asking.command("CREATE DATABASE IF NOT EXISTS w")
    columns = "(a UInt32, b String) ENGINE = MergeTree ORDER BY a"
    asking.command(f"CREATE TABLE w.{name} {columns} SETTINGS non_replicated_deduplication_window = 10")
    yield f"w.{name}"
    asking.command(f"DROP TABLE w.{name}")
    asking.close()


def raw(own: OwnStore, method: str, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request by the standard library alone."""
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


AUTH = {"X_ClickHouse_User": "iskra", "X_ClickHouse_Key": PASSWORD}


def test_a_client_inserts_and_queries(own: OwnStore, table: str) -> None:
    """The synchronous client creates, inserts columns (Native, lz4), binds parameters and reads blocks."""
    asking = client(own, compress="lz4")
    summary = asking.insert(table, [list(range(70_000)), ["x"] * 70_000], column_names=["a", "b"], column_oriented=True)
    assert summary.written_rows == 70_000
    assert asking.query(f"SELECT count(), max(a) FROM {table}").result_rows == [(70_000, 69_999)]
    assert asking.query(f"SELECT a FROM {table} WHERE a < {{n:UInt32}} ORDER BY a", parameters={"n": 3}).result_rows == [(0,), (1,), (2,)]
    assert asking.query("SELECT {s:String}", parameters={"s": "it's\ta\\b\nкириллица"}).result_rows == [("it's\ta\\b\nкириллица",)]
    assert asking.command("SELECT 5") == 5
    with asking.query_row_block_stream(f"SELECT a FROM {table}") as stream:
        assert sum(len(block) for block in stream) == 70_000


def test_an_asynchronous_client_works_side_by_side_with_itself(own: OwnStore, table: str) -> None:
    """Ten queries at once by the asynchronous client, on a pool of four connections of the engine."""

    async def ask() -> list[Any]:
        asking = await clickhouse_connect.get_async_client(host="127.0.0.1", port=own.port, username="iskra", password=PASSWORD)
        try:
            await asking.insert(table, [[1, 2], ["q", "r"]], column_names=["a", "b"], column_oriented=True)
            results = await asyncio.gather(*[asking.query(f"SELECT count() + {n} FROM {table}") for n in range(10)])
            return [result.result_rows[0][0] for result in results]
        finally:
            await asking.close()

    assert asyncio.run(ask()) == [n + 2 for n in range(10)]


def test_the_same_token_inserts_once(own: OwnStore, table: str) -> None:
    """A block under a known token is acknowledged and not inserted again."""
    asking = client(own)
    for _ in range(3):
        asking.insert(table, [[1], ["x"]], column_names=["a", "b"], column_oriented=True, settings={"insert_deduplication_token": "one"})
    assert asking.query(f"SELECT count() FROM {table}").result_rows == [(1,)]


def test_a_cut_body_inserts_nothing(own: OwnStore, table: str) -> None:
    """A Native block that ends early is refused whole, with a code, and the connection goes on."""
    cut = f"INSERT INTO {table} FORMAT Native\n".encode() + b"\x02\x05\x01a\x06UInt32\x01\x00"
    status, headers, body = raw(own, "POST", "/", cut, **AUTH)
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "33"), body
    assert client(own).query(f"SELECT count() FROM {table}").result_rows == [(0,)]


def test_statement_and_data_may_come_in_every_way(own: OwnStore, table: str) -> None:
    """Query in the URL with data in the body, both in the body, compressed, and VALUES in the statement."""
    insert = f"INSERT+INTO+{table}+FORMAT+JSONEachRow"
    assert raw(own, "POST", f"/?query={insert}", b'{"a":1,"b":"x"}', **AUTH)[0] == 200
    assert raw(own, "POST", f"/?query={insert}", gzip.compress(b'{"a":2,"b":"x"}'), Content_Encoding="gzip", **AUTH)[0] == 200
    assert raw(own, "POST", "/", f"INSERT INTO {table} (a, b) FORMAT CSV\n3,x\n".encode(), **AUTH)[0] == 200
    assert raw(own, "POST", "/", f"INSERT INTO {table} VALUES (4, 'FORMAT CSV')".encode(), **AUTH)[0] == 200
    assert raw(own, "POST", "/", f"INSERT INTO {table} SELECT 5, 'x' FORMAT Null".encode(), **AUTH)[0] == 200
    status, headers, body = raw(own, "GET", f"/?query=SELECT+a+FROM+{table}+ORDER+BY+a+FORMAT+CSV", b"", **AUTH)
    assert (status, headers["x-clickhouse-format"], body) == (200, "CSV", b"1\n2\n3\n4\n5\n")


def test_large_answers_are_streamed_and_an_error_within_is_told(own: OwnStore) -> None:
    """An answer of many blocks arrives whole; one that fails after its beginning raises in the client."""
    asking = client(own)
    with asking.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        assert sum(len(block) for block in stream) == 1_000_000
    failing = "SELECT throwIf(number = 900000) FROM numbers(1000000)"
    with pytest.raises(Exception, match="395"), asking.query_row_block_stream(failing) as stream:
        for _ in stream:
            pass
    assert asking.query("SELECT 1").result_rows == [(1,)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_errors_carry_code_and_text(own: OwnStore) -> None:
    """The engine's code stands in the header, its text in the body, and the status is one that no client retries."""
    status, headers, body = raw(own, "POST", "/", b"SELECT * FROM w.nope", **AUTH)
    assert (status, headers["x-clickhouse-exception-code"]) == (404, "60")
    assert b"UNKNOWN_TABLE" in body
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING"):
        client(own).query("SELECT 1", settings={"no_such_setting": 1})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_ClickHouse_User": "iskra", "X_ClickHouse_Key": "wrong"},
        {"X_ClickHouse_User": "nobody", "X_ClickHouse_Key": PASSWORD},
        {"X_ClickHouse_User": "iskra"},
        {"Authorization": "Basic " + b64encode(b"iskra:wrong").decode()},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer x"},
    ],
)
def test_whoever_does_not_say_the_password_is_refused(own: OwnStore, headers: dict[str, str]) -> None:
    """403 with code 516 in each way of saying a wrong password or none."""
    status, answer, _ = raw(own, "POST", "/", b"SELECT 1", **headers)
    assert (status, answer["x-clickhouse-exception-code"]) == (403, "516")


def test_the_password_may_be_said_in_three_ways(own: OwnStore) -> None:
    """Headers, Basic authorisation, parameters."""
    assert raw(own, "POST", "/", b"SELECT 1", **AUTH)[2] == b"1\n"
    assert raw(own, "POST", "/", b"SELECT 1", Authorization="Basic " + b64encode(f"iskra:{PASSWORD}".encode()).decode())[2] == b"1\n"
    assert raw(own, "POST", f"/?user=iskra&password={PASSWORD}", b"SELECT 1")[2] == b"1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM FILE /* here */ ('/etc/passwd', 'LineAsString')",
        "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
        "SELECT * FROM \"fi\\x6ce\"('/etc/passwd')",
        "SELECT file('/etc/passwd')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT * FROM `default`.`/etc/passwd`",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM '/etc/passwd'",
        "SELECT $$ ' $$, file('/etc/passwd'), $$ ' $$",
        "SELECT “a”, file('/etc/passwd')",
        "SELECT * FROM {t:Identifier}",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV')",
        "SELECT * FROM remote('127.0.0.1', 'system.one')",
        "SELECT * FROM executable('x', 'TSV', 'a String')",
        "SELECT 1 INTO OUTFILE '/tmp/iskra-outfile'",
        "SELECT 1 SETTINGS readonly = 0",
        "SET readonly = 0",
        "INSERT INTO w.nope VALUES (1)",
        "INSERT INTO w.nope FORMAT CSV\n1",
        "CREATE TABLE w.z (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE z (a String) ENGINE = File(CSV)",
        "DROP DATABASE w",
        "SYSTEM FLUSH LOGS",
        "KILL QUERY WHERE 1",
        "SELECT 1; DROP DATABASE w",
    ],
)
def test_people_may_only_read_tables(own: OwnStore, sql: str) -> None:
    """The read-only user reaches no file, no network, and changes nothing."""
    status, _, body = raw(own, "POST", "/?param_t=default.x", sql.encode(), X_ClickHouse_User="reader", X_ClickHouse_Key=READER_PASSWORD)
    assert status in {403, 404, 500, 501}, body
    assert b"root:" not in body


def test_people_read_what_there_is(own: OwnStore, table: str) -> None:
    """The read-only user selects, shows and explains; words that look like refused ones in texts and names are fine."""
    client(own).command(f"INSERT INTO {table} VALUES (1, 'x')")
    asking = client(own, "reader", READER_PASSWORD)
    assert asking.query(f"SELECT a, 'file(1)' AS \"into\" FROM {table} AS url WHERE b IN ('x', 'it''s')").result_rows == [(1, "file(1)")]
    assert asking.query("SELECT format('{}-{}', 'a', 'b'), sum(number) FROM numbers(3)").result_rows == [("a-b", 3)]
    assert (table.removeprefix("w."),) in asking.query("SHOW TABLES FROM w").result_rows
    assert asking.query(f"EXPLAIN SELECT a FROM {table}").result_rows


def test_a_read_by_get_cannot_change_anything(own: OwnStore, table: str) -> None:
    """GET is for reading, as in ClickHouse: a link that a browser follows drops no table."""
    assert raw(own, "GET", f"/?query=DROP+TABLE+{table}", b"", **AUTH)[0] == 403


def test_settings_of_one_query_do_not_reach_the_next(own: OwnStore, table: str) -> None:
    """A connection of the engine is lent to many: neither settings nor `readonly` nor the database stick to it."""
    asking = client(own)
    for number in range(12):
        asking.query("SELECT 1", settings={"readonly": 2, "max_execution_time": 7, "max_threads": 1, "max_rows_to_read": number + 1})
    assert asking.query("SELECT getSetting('max_execution_time'), getSetting('max_rows_to_read')").result_rows == [(300, 0)]
    asking.command(f"INSERT INTO {table} VALUES (1, 'x')")
    with pytest.raises(DatabaseError, match="READONLY"):
        asking.command(f"INSERT INTO {table} VALUES (1, 'x')", settings={"readonly": 2})
    assert client(own, database="w").command("SELECT currentDatabase()") == "w"
    assert asking.command("SELECT currentDatabase()") == "default"


SLOW = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def test_a_query_stops_at_its_time(own: OwnStore) -> None:
    """`max_execution_time` is held by the engine."""
    with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
        client(own).query(SLOW, settings={"max_execution_time": 1})


def test_a_query_can_be_killed_by_the_id_its_client_gave(own: OwnStore) -> None:
    """KILL QUERY WHERE query_id = … means the client's id, and the query's client is told, however early the KILL comes."""
    killer = client(own)
    for number in range(10):
        found: list[str] = []

        def ask(query_id: str, found: list[str]) -> None:
            try:
                client(own).query(SLOW, settings={"query_id": query_id})
            except DatabaseError as error:
                found.append(str(error))

        asking = threading.Thread(target=ask, args=(f"slow-{number}", found))
        asking.start()
        kill = f"KILL QUERY WHERE query_id = 'slow-{number}'"
        # the client shows an answer without rows as one empty cell
        until(lambda kill=kill: killer.query(kill).result_rows[0][0] == "waiting", "the query runs")  # type: ignore[misc]
        asking.join(60)
        assert found
        assert "QUERY_WAS_CANCELLED" in found[0]


def test_what_nobody_waits_for_is_given_up(own: OwnStore) -> None:
    """A client that goes away takes its reading query with it."""
    watching = client(own)
    with socket.create_connection(("127.0.0.1", own.port)) as sock:
        query = SLOW.replace("count()", "count() AS left_alone").encode()
        head = f"POST /?user=iskra&password={PASSWORD} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(query)}\r\n\r\n".encode()
        sock.sendall(head + query)
        running = "SELECT count() FROM system.processes WHERE query LIKE '%left_alone%' AND query NOT LIKE '%processes%'"
        until(lambda: watching.command(running) == 1, "the query runs")
    until(lambda: watching.command(running) == 0, "the query is given up")


LOGIN = b"X-ClickHouse-User: iskra\r\nX-ClickHouse-Key: pass-word\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + LOGIN + b"\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + LOGIN + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + LOGIN + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + LOGIN + b"Content-Length: \xb2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nContent-Encoding: br\r\n" + LOGIN + b"Content-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nContent-Encoding: lz4\r\n" + LOGIN + b"Content-Length: 4\r\n\r\nxxxx",
    ],
)
def test_what_is_no_request_is_answered_and_ended(own: OwnStore, sent: bytes) -> None:
    """400, then the end of the connection; the store serves on."""
    with socket.create_connection(("127.0.0.1", own.port), timeout=30) as sock:
        sock.sendall(sent)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert raw(own, "GET", "/ping", b"")[2] == b"Ok.\n"


def test_figures_are_told(own: OwnStore) -> None:
    """/metrics has the store's own figures."""
    client(own).query("SELECT 1")

    def told() -> str:
        return raw(own, "GET", "/metrics", b"")[2].decode()

    assert 'iskra_store_query_seconds_count{kind="query",outcome="ok"}' in told()
    # the client has its answer a moment before the engine is done with the query
    until(lambda: "iskra_store_running_queries 0.0" in told(), "nothing runs")
