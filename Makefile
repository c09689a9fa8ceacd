# Needs nothing but Python ≥ 3.11 and make. Everything is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-fire check fmt format lint types imports run bench bench-idle bench-fleet bench-inbox clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.12, for example" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs (once, about a minute) …"
	@$(PIP) install --quiet -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need (once, about two minutes) …"
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## See the daemon at work: a dozen prospects, an embedded post office, one minute
	@$(BIN)/sequencer demo

test: $(VENV)/.dev ## Run every test that this machine can run, and say which ones it left out
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fire: $(VENV)/.dev ## Try to break the promises, in the long form (hours); each trial prints its counts
	@SEQUENCER_FIRE=long $(BIN)/python -m pytest -n 2 tests/fire $(PYTEST_ARGS)

check: format lint types imports test ## What CI runs: format, lint, types, imports, tests

format: $(VENV)/.dev ## Is the formatting as ruff wants it?
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## ruff
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

imports: $(VENV)/.dev ## The walls between the rooms
	@$(BIN)/lint-imports

fmt: $(VENV)/.dev ## Format the code, mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

run: $(VENV)/.demo ## Run the daemon in this folder (config.yaml must be yours)
	@$(BIN)/sequencer run

bench: $(VENV)/.dev ## Every benchmark that needs no argument, and one table of what was measured (a quarter of an hour)
	@$(BIN)/python benchmarks/all.py

bench-idle: $(VENV)/.dev ## What an idle daemon with ten mailboxes costs, without and with web (needs Debian's dovecot-imapd)
	@$(BIN)/python benchmarks/idle.py
	@$(BIN)/python benchmarks/idle.py --web

bench-fleet: $(VENV)/.dev ## What 10, 100 and 300 mailboxes cost one daemon, and many daemons one PostgreSQL (fifteen minutes)
	@$(BIN)/python benchmarks/fleet.py mailboxes
	@$(BIN)/python benchmarks/fleet.py leases
	@$(BIN)/python benchmarks/fleet.py looks

bench-inbox: $(VENV)/.dev ## Measure the inbox reader: make bench-inbox CORPUS=folder
	@$(BIN)/python benchmarks/inbox.py $(CORPUS)

clean: ## Remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
