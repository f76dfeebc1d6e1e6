"""Iskra watches Iskra: real figures of the running processes, as points of the subject `iskra` in the live namespace.

`figures` holds the formulas (pure; docs/reporter.md explains them), `scrape` reads the processes' /metrics, `probe`
measures the way of our own points, `run` puts them together, once a second.
"""
