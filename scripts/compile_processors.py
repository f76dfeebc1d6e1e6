"""Compiles `processors/` with mypyc into `build/`, for the present sources; does nothing where that stands already.

Without a C compiler it says so and succeeds: the interpreted modules do the same, a quarter as fast.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_COMPILED = {"__init__.py"}

_SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(name="processors", packages=[], ext_modules=mypycify({files!r}, opt_level="3", debug_level="0", group_name="iskra"))
"""


def main() -> int:
    """Builds if needed; exit code 1 when the compiler refuses the sources."""
    os.environ["ISKRA_INTERPRETED"] = "1"
    sys.path.insert(0, str(ROOT))
    from processors import compiled_dir

    target = compiled_dir()
    if target.is_dir():
        return 0
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(os.environ.get("CC", "cc")) is None or not header.is_file():
        print(
            "processors: no C compiler (apt-get install gcc libc6-dev python3-dev); they run interpreted, a quarter as fast",
            file=sys.stderr,
        )
        return 0
    print("processors: compiling, about half a minute", file=sys.stderr)
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        for package in ("processors", "schemas"):
            shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
        files = sorted(f"processors/{file.name}" for file in (work / "processors").glob("*.py") if file.name not in NOT_COMPILED)
        arguments = ["--strict", "--ignore-missing-imports", *files]
        (work / "setup.py").write_text(_SETUP.format(files=arguments), encoding="utf-8")
        command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        # where the machine can multiply and add in one step (arm64), it would round once where the law rounds twice
        environment = {**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -ffp-contract=off"}
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            return 1
        out = work / "out"
        (out / "processors").mkdir(parents=True)
        for library in (work / "processors").glob("*.so"):
            shutil.move(library, out / "processors" / library.name)
        for library in work.glob("*.so"):
            shutil.move(library, out / library.name)
        for old in target.parent.glob("compiled-*"):
            shutil.rmtree(old, ignore_errors=True)
        out.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
