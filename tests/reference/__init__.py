"""The law once more: a slow, literal implementation of docs/semantics.md §2–§6, to compare the fast engine with.

It keeps every point of a subject in lists, recomputes every window and statistic from scratch at every judging and
judges every whole second. It shares with the engine the models of the configuration and nothing else.
"""

from tests.reference.evaluate import evaluate
from tests.reference.partition import Out, Reference

__all__ = ["Out", "Reference", "evaluate"]
