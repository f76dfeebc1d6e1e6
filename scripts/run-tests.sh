#!/usr/bin/env bash
# Every test. Those of the engine and of experiments (which have a broker of their own) run beside the others, at low priority,
# on the processor that these leave idle. Stacks that take the usual ports are in one run, so that none answers for another.
# With arguments (`make test PYTEST_ARGS="-k name"`) there is one run, in order.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$#" -gt 0 ]; then
  exec .venv/bin/pytest -m "not soak" "$@"
fi

alone=(tests/processors tests/voices tests/reference tests/benchmarks tests/experiments)
log=$(mktemp)
nice -n 5 .venv/bin/pytest -m "not soak" "${alone[@]}" >"$log" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -f "$log"' EXIT

status=0
.venv/bin/pytest -m "not soak" "${alone[@]/#/--ignore=}" || status=$?
wait "$beside" || status=$?
cat "$log"
exit "$status"
