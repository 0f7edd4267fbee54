# `make` alone lists the targets. Everything runs in .venv, which the first target that needs it makes.

PYTHON ?= $(shell tools/find-python 3.11 3.12 3.13 3.14)
VENV := .venv
BIN := $(VENV)/bin
# Two more than the cores of CI: many tests wait for servers.
PYTEST_WORKERS ?= 4
FAST_WORKERS ?= 2
FAST := not server and not program
# 1: all cases of the tests that CI runs in part.
EVERY_CASE ?=
SEEDS ?= 1000
# Writes docs/benchmarks and its page; BENCH="--quick" only prints.
BENCH ?= --docs

# Where it is set, each of the two thousand programs that the tests start would compile all of Breakwall.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo stripe test test-fast test-pythons check screenshots format simulate chaos mutants bench bench-breaker bench-claims bench-outcomes clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## make .venv with the breakwall command

demo: $(VENV)/.installed  ## show an outage of the payment service and how it is survived, in under a minute
	@$(BIN)/breakwall demo $(DEMO)

stripe: $(VENV)/.tested  ## run an imitation of Stripe to try Breakwall with: docs/stripe.md (STRIPE=9000: the port)
	@$(BIN)/python -m tests.stripe $(STRIPE)

test: $(VENV)/.tested  ## run the tests; installs the servers that they need (EVERY_CASE=1: long matrices in full)
	EVERY_CASE="$(EVERY_CASE)" $(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(TESTS)

test-fast: $(VENV)/.tested  ## run the tests without servers and whole programs, in under two minutes
	SIMULATION_SECONDS=5 $(BIN)/python -m pytest -q -n $(FAST_WORKERS) -m "$(FAST)" $(TESTS)

test-pythons:  ## run the fast tests on each other Python of this machine (PYTHONS=3.13: on this one)
	TESTS="$(TESTS)" tools/test-pythons $(PYTHONS)

screenshots: $(VENV)/.tested  ## play an outage, and take the pictures of the page in docs/img, in two minutes
	$(BIN)/python -m tests.screenshots

check: $(VENV)/.tested  ## run every linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.tested  ## let ruff format the code and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

simulate: $(VENV)/.tested  ## run the whole pipeline in virtual time, under SEEDS=1000 schedules of faults
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(SIMULATE)

chaos: $(VENV)/.tested  ## kill, wipe and break everything under load, then count (CHAOS="--orders 5000")
	$(BIN)/python -m tests.chaos $(CHAOS)

mutants: $(VENV)/.tested  ## remove one guarantee at a time and expect a test to fail
	$(BIN)/python -m tests.mutants

bench: $(VENV)/.tested  ## measure every scenario beside its peers, in 25 minutes (BENCH="--quick": in 5)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m bench $(BENCH)

bench-outcomes: $(VENV)/.tested  ## compare a drain that tells a webhook of each order with one that tells nobody
	$(BIN)/python bench/outcomes.py

bench-claims: $(VENV)/.tested  ## compare claims with a million queued orders and with a hundred thousand
	$(BIN)/python bench/claims.py

bench-breaker: $(VENV)/.tested  ## measure the breaker: cost beside its peers, shared stores, fleets, rare cases
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python bench/breaker_call.py
	$(BIN)/python bench/breaker_peers.py
	$(BIN)/python bench/breaker_shared.py
	$(BIN)/python bench/breaker_fleet.py
	$(BIN)/python bench/breaker_cold_start.py
	$(BIN)/python bench/breaker_limit.py --only collapse\ 12 --seeds 1
	$(BIN)/python bench/breaker_special_cases.py

clean:  ## remove everything that the other targets made
	rm -rf $(VENV) .venvs .breakwall .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Breakwall needs Python 3.11 or newer: install one, or run make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo "Installing Breakwall into $(VENV) (once; about half a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[postgres,web]'
	@touch $@

$(VENV)/.tested: $(VENV)/bin/python pyproject.toml
	@echo "Installing Breakwall and its test tools into $(VENV) (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.installed $@
