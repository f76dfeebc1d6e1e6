#!/usr/bin/env bash
# Runs uv; where there is none, puts it into .iskra-tools first (a virtual environment: that works as root, as a user,
# and where the system's Python refuses pip), or, without python3-venv, into the user's own packages.
set -euo pipefail
cd "$(dirname "$0")/.."

find_uv() {
  for candidate in "$(command -v uv || true)" .iskra-tools/venv/bin/uv "${HOME:-/root}/.local/bin/uv"; do
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

if ! uv=$(find_uv); then
  echo "uv is not there: installing it into .iskra-tools" >&2
  if python3 -m venv .iskra-tools/venv >/dev/null 2>&1; then
    .iskra-tools/venv/bin/python -m pip install --quiet uv
  else
    rm -rf .iskra-tools/venv
    python3 -m pip install --user --quiet uv 2>/dev/null || python3 -m pip install --user --quiet --break-system-packages uv
  fi
  uv=$(find_uv) || { echo "uv could not be installed: apt-get install -y python3-venv python3-pip, then again" >&2; exit 2; }
fi
exec "$uv" "$@"
