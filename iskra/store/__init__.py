"""The embedded store: the ClickHouse engine behind its own HTTP interface, on one machine, in one process."""
