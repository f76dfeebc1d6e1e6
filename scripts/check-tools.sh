#!/usr/bin/env bash
# Names each tool that set-up needs and the machine lacks, one line each, with the command that installs it.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=0

lacks() {
  echo "$1" >&2
  missing=1
}

# The number before the first dot of what a command prints, 0 if it prints none.
major() {
  local said
  said=$("$@" 2>&1 | grep -oE '[0-9]+\.[0-9]+' | head -n 1 || true)
  echo "${said%%.*}"
}

if ! command -v python3 >/dev/null; then
  lacks "Python 3.11 is missing: apt-get install -y python3 python3-venv"
fi
java=${JAVA_HOME:+$JAVA_HOME/bin/java}
java=${java:-java}
if ! command -v "$java" >/dev/null; then
  lacks "Java 17 or newer is missing: apt-get install -y openjdk-17-jre-headless"
elif [ "$(major "$java" -version)" -lt 17 ] 2>/dev/null; then
  lacks "Java 17 or newer is needed, $java is older: apt-get install -y openjdk-17-jre-headless"
fi
if [ ! -f deploy/kafka/libs/.pom.sha256 ] && [ -z "${ISKRA_KAFKA_LIBS:-}" ] && ! command -v mvn >/dev/null; then
  lacks "Maven is missing: apt-get install -y maven"
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  lacks "Node 20 or newer with npm is missing: apt-get install -y nodejs npm (where that is older than 20: nodejs.org)"
elif [ "$(major node --version)" -lt 20 ] 2>/dev/null; then
  lacks "Node 20 or newer is needed, this one is $(node --version): see nodejs.org"
fi
exit $((missing * 2))
