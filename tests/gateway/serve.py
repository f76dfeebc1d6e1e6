"""Runs a gateway for the tests, with options that the command line does not have: `python -m tests.gateway.serve JSON`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from gateway.app import run
from gateway.settings import Explanation, Limits, Settings
from iskra import config_files, logs
from iskra.settings import CLICKHOUSE_USER, clickhouse_password


async def explain(namespace: str, identity: str) -> Explanation:
    """Stands for the engine: knows two verdicts, and never comes to an end with a third."""
    if identity == "0-9-0-0-aa":
        await asyncio.Event().wait()
    known = {"0-1-0-0-aa": Explanation(match=True), "0-2-0-0-aa": Explanation(match=False, difference="value: 0.5, recomputed 0.4")}
    if identity not in known:
        raise LookupError(f"no verdict {identity} in {namespace}")
    return known[identity]


def main() -> None:
    """Serves until it is told to stop."""
    logs.to_stderr()
    options = json.loads(sys.argv[1])
    run(
        Settings(
            kafka=options["kafka"],
            clickhouse=options["clickhouse"],
            namespaces=tuple(options["namespaces"]),
            config=config_files.load(Path(options["config"]) if options.get("config") else None),
            port=options["port"],
            hosts=tuple(options.get("hosts", ())),
            clickhouse_user=CLICKHOUSE_USER,
            clickhouse_password=clickhouse_password(),
            explain=explain if options.get("explain") else None,
            limits=Limits(**options.get("limits", {})),
            web=Path(options["web"]) if "web" in options else Settings.web,
        )
    )


if __name__ == "__main__":
    main()
