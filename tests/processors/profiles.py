"""How many random cases: few in the default profile, many in a soak (`ISKRA_TEST_PROFILE=soak`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import hypothesis

_Test = TypeVar("_Test", bound=Callable[..., None])

SOAK = os.environ.get("ISKRA_TEST_PROFILE") == "soak"
SOAK_FACTOR = 50
"""So many times more cases in a soak; the default's total stays under 90 s on two shared cores."""


def cases(number: int) -> Callable[[_Test], _Test]:
    """A test's number of random cases in the default profile; derandomised there, so that a run can be repeated."""
    return hypothesis.settings(
        max_examples=number * (SOAK_FACTOR if SOAK else 1),
        derandomize=not SOAK,
        database=None,
        deadline=None,
        print_blob=True,
        # shrinking finds the few scenes that matter; explaining them takes minutes
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.large_base_example,
        ],
    )
