#!/usr/bin/env bash
# What the tests use beside the set-up, from Debian's packages, each only where its program is missing. Needs root.
set -euo pipefail

declare -A packages=(
  [java]=openjdk-17-jre-headless
  [mvn]=maven
  [chromium]=chromium
  [nginx]=nginx-light
  [prometheus]=prometheus
  [promtool]=prometheus
  [prometheus-alertmanager]=prometheus-alertmanager
  [amtool]=prometheus-alertmanager
)
wanted=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || wanted+=("${packages[$program]}")
done
# Browsers draw ∆, Ω and the ritual symbols only with a font that has them.
if ! command -v fc-list >/dev/null || [ -z "$(fc-list ':charset=2206' 2>/dev/null)" ]; then
  wanted+=(fontconfig fonts-dejavu-core)
fi
if [ ${#wanted[@]} -eq 0 ]; then
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "missing: ${wanted[*]}; run as root: apt-get install -y ${wanted[*]}" >&2
  exit 2
fi
if ! command -v apt-get >/dev/null; then
  echo "missing: ${wanted[*]}; install them with this system's package manager" >&2
  exit 2
fi

# The tests start these programs themselves, on ports of their own: their services must not be started here.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing ${wanted[*]}" >&2
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
