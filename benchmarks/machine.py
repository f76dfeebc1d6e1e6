"""What a figure was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

import processors


def machine() -> dict[str, Any]:
    """Processor, cores, memory, versions, the date, the commit, and how busy the machine was when asked."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processors": "compiled" if processors.IS_COMPILED else "interpreted",
        "load_1m": round(os.getloadavg()[0], 2),
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


class Stolen:
    """How much of the processor the host of a virtual machine gives to others, from now on."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float | None:
        """Stolen ÷ all processor time since it was made, 0 to 1; None: this system does not tell."""
        after = psutil.cpu_times()
        if not hasattr(after, "steal"):
            return None
        stolen = after.steal - self._before.steal
        return round(stolen / max(1e-9, sum(after) - sum(self._before)), 4)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str | None:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
