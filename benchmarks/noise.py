"""Noise: what is told of healthy, lively subjects, and how soon injected incidents are found."""

from __future__ import annotations

import statistics
import time
from typing import Any

from experiments.noise import Found, Seen, healthy, incidents
from schemas.config import Config


def noise(config: Config, *, subjects: int = 100, hours: float = 24, number: int = 500, seed: int = 1) -> dict[str, Any]:
    """The figures of `iskra bench noise`: `bad_share` of the judged seconds was outside OK; times are s after the crossing."""
    began = time.monotonic()
    calm = healthy(config, subjects, round(hours * 3600), seed)
    found = incidents(config, number, seed)
    times = sorted(one.after_s for one in found if one.after_s is not None)
    return {
        "bad_share": calm.bad_s / calm.judged_s,
        "p0": calm.p0,
        "voices_active": calm.voices,
        "incidents": len(found),
        "found_share": len(times) / len(found),
        "detect_p50_s": round(statistics.median(times), 2) if times else None,
        "detect_p95_s": _quantile(times, 0.95),
        "details": {
            "subjects": subjects,
            "hours": hours,
            "judged_s": calm.judged_s,
            "bad_s": calm.bad_s,
            "lively": {metric: _lively(seen, calm.judged_s / len(calm.seen)) for metric, seen in calm.seen.items() if seen.count},
            "by_ramp_s": {str(ramp): _told([one for one in found if one.ramp == ramp]) for ramp in sorted({one.ramp for one in found})},
            "by_metric": {
                metric: _told([one for one in found if one.metric == metric]) for metric in sorted({one.metric for one in found})
            },
            "seconds": round(time.monotonic() - began, 1),
        },
    }


def _lively(seen: Seen, judged_s: float) -> dict[str, float]:
    """How one vital lived: its 10 s means, the share of them beyond an edge of the OK band, and its share of seconds not OK."""
    return {
        "mean": round(seen.mean, 4),
        "stddev": round(seen.stddev, 4),
        "least": round(seen.least, 4),
        "greatest": round(seen.greatest, 4),
        "beyond_share": seen.beyond / seen.count,
        "bad_share": seen.bad_ms / 1000 / judged_s,
    }


def _told(found: list[Found]) -> dict[str, Any]:
    times = sorted(one.after_s for one in found if one.after_s is not None)
    return {"incidents": len(found), "found": len(times), "p50_s": _quantile(times, 0.5), "p95_s": _quantile(times, 0.95)}


def _quantile(values: list[float], q: float) -> float | None:
    return round(values[min(len(values) - 1, int(q * len(values)))], 2) if values else None
