#!/usr/bin/env bash
# Every test. Those that need no broker run beside the others, at low priority, on the processor that these leave idle.
# With arguments (`make test PYTEST_ARGS="-k name"`) there is one run, in order.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$#" -gt 0 ]; then
  exec .venv/bin/pytest -m "not soak" "$@"
fi

alone=(tests/processors tests/voices tests/reference)
log=$(mktemp)
nice -n 5 .venv/bin/pytest -m "not soak" "${alone[@]}" >"$log" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -f "$log"' EXIT

status=0
.venv/bin/pytest -m "not soak" "${alone[@]/#/--ignore=}" || status=$?
wait "$beside" || status=$?
cat "$log"
exit "$status"
