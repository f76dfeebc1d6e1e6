# Everything is driven from here; `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON := .venv/bin/python
STAMPS := .iskra-tools/stamps
WEB_SOURCES := $(shell find gateway/web -path gateway/web/node_modules -prune -o -path gateway/web/dist -prune -o -type f -print 2>/dev/null)
BENCHES := engine ingest detect recover alerts experiments noise scale
PACKAGES := benchmarks experiments gateway iskra processors schemas sinks streams
PYTEST_ARGS ?=

.PHONY: help setup demo test check bench soak clean tools processors

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

setup: tools $(STAMPS)/python $(STAMPS)/kafka $(STAMPS)/web processors ## Python environment, Kafka's jars, web build; again: a second

demo: setup ## Everything, with simulated subjects to watch: http://127.0.0.1:8080/pulse?namespace=demo
	@exec .venv/bin/iskra demo

test: setup ## Every test, against real Kafka and the real ClickHouse engine
	@if [ "$$(id -u)" = 0 ]; then scripts/install-debian-packages.sh; fi
	@cd gateway/web && npm --silent test
	@scripts/run-tests.sh $(PYTEST_ARGS)

check: setup ## Format, lint, types, import contracts
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@cd gateway/web && npm run --silent check

bench: setup ## Benchmarks of this machine, about 40 minutes (BENCHES="engine scale": these alone); JSON under benchmarks/out/
	@mkdir -p benchmarks/out
	@for bench in $(BENCHES); do .venv/bin/iskra bench "$$bench" --json | tee "benchmarks/out/$$bench.json"; done

soak: setup ## Random kills and long runs, about two hours
	@ISKRA_TEST_PROFILE=soak .venv/bin/pytest --timeout 7200 tests/processors tests/soak $(PYTEST_ARGS)

clean: ## Remove all that setup, tests and benchmarks made; data (.iskra) stay
	@rm -rf .venv .iskra-tools build deploy/kafka/libs gateway/web/dist gateway/web/node_modules benchmarks/out
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the machine lacks, all of it at once, each with the command that installs it.
tools:
	@scripts/check-tools.sh

$(STAMPS)/python: pyproject.toml uv.lock scripts/uv.sh
	@scripts/uv.sh sync --frozen --compile-bytecode
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/kafka: deploy/kafka/pom.xml iskra/stack/install.py $(STAMPS)/python
	@$(PYTHON) -m iskra.stack.install
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/web: $(WEB_SOURCES)
	@cd gateway/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@mkdir -p $(STAMPS) && touch $@

# Looks itself whether the build is that of the present sources.
processors: $(STAMPS)/python
	@$(PYTHON) scripts/compile_processors.py
	@$(PYTHON) -m compileall -q $(PACKAGES) # also where PYTHONDONTWRITEBYTECODE is set: a restart must not compile 800 modules
