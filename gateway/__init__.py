"""The door: points in over HTTP; verdicts, history and the live pages out. Knows `schemas` alone.

`app.run(settings)` runs it. The pieces: `intake` and `ledger` take points to the log, `feed` follows the topics, `world`
holds what is known, `hub` and `socket` bring changes to browsers, `queries` asks ClickHouse, `parts` tells what is away.
"""
