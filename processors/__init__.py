"""The domain as pure state machines: no clock, no randomness, no I/O. `engine` chains them for one partition.

The modules are plain typed Python. `scripts/compile_processors.py` compiles them unchanged (mypyc) into
`build/compiled-HASH/`; where that stands for exactly these sources it is used, unless ISKRA_INTERPRETED is set.
Both ways give the same outputs (tests/processors/test_compiled.py); the compiled one is about four times as fast.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def compiled_dir() -> Path:
    """Where the compiled modules of these very sources and this Python stand, or would stand."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    # constants of `schemas` stand in the compiled code, too
    for source in (*sorted(_HERE.glob("*.py")), *sorted((_HERE.parent / "schemas").glob("*.py"))):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return _HERE.parent / "build" / f"compiled-{digest.hexdigest()[:16]}"


IS_COMPILED = False
if not os.environ.get("ISKRA_INTERPRETED"):
    _compiled = compiled_dir()
    if (_compiled / "processors").is_dir():
        sys.path.append(str(_compiled))  # the modules' shared library is looked for by its bare name
        __path__.insert(0, str(_compiled / "processors"))
        IS_COMPILED = True
