# Bulkhead: `make help` lists the wishes. `make run` and `make test` set up whatever is missing by themselves.

# The first of these that is at least 3.11 and can make a virtual environment.
PYTHON ?= $(shell for python in python3.11 python3.13 python3; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done)
VENV ?= .venv
SETTINGS ?=
ARGS ?=

PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest
INSTALLED := $(VENV)/.installed
AZURITE := local/azurite/node_modules/.installed

# Two calls of make at once must not install over each other. Where flock is missing, they had better not be made.
ONE_AT_A_TIME := $(shell command -v flock >/dev/null 2>&1 && echo flock --close Makefile)

.DEFAULT_GOAL := help
.PHONY: help setup installed run host settings test check simulate mutate storm bench format lock clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  VENV=.venv313 PYTHON=python3.13 sets up and uses another interpreter beside the first.'
	@echo '  ARGS="-k isolate" is handed to pytest; HYPOTHESIS_PROFILE=dev searches longer, and anew each time.'

setup: ## Install what is locked: .venv and the storage emulator (repeated calls cost nothing)
	@$(ONE_AT_A_TIME) $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2) installed

installed: $(INSTALLED) $(AZURITE)
	@:

# Built afresh, so that a package which left the lock leaves the environment too.
$(INSTALLED): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'Bulkhead needs Python 3.11 or newer with venv (on Debian: python3-venv).' >&2; exit 1; }
	@echo 'Installing the Python packages into $(VENV)'
	@"$(PYTHON)" -m venv --clear "$(VENV)"
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

$(AZURITE): local/azurite/package.json local/azurite/package-lock.json
	@command -v npm >/dev/null || { echo 'Bulkhead needs Node 20 or newer with npm, for the storage emulator.' >&2; exit 1; }
	@echo 'Installing the storage emulator into local/azurite/node_modules'
	@cd local/azurite && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# Make hands variables from its command line and from the environment on to what it starts: INCIDENTS and PACKAGE
# reach local.run if somebody set them, and do not exist otherwise.
run: setup ## Play incidents against a simulated tenant: make run [INCIDENTS=... PACKAGE=...]
	$(PY) -m local.run

host: settings setup ## Run the functions against a settings file until interrupted: make host SETTINGS=...
	$(PY) -m local.host --settings "$(SETTINGS)" --check local.storage:check

settings:
	@test -n "$(SETTINGS)" || { echo 'Say which settings: make host SETTINGS=local.settings.json' >&2; exit 2; }
	@test -f "$(SETTINGS)" || { echo 'There is no file $(SETTINGS). local.settings.example.json is a start.' >&2; exit 2; }

test: setup ## Run every test but the benchmarks
	$(PYTEST) -n 2 --dist loadscope --ignore=tests/bench $(ARGS)

check: setup ## Lint, format, types, unit tests: what CI runs before the tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PYTEST) -q tests/unit $(ARGS)

simulate: setup ## Play seeded histories: make simulate [SEEDS=10000] [START=0] or [REPLAY=17]
	$(PY) -m tests.simulation --seeds $(or $(SEEDS),1000) --start $(or $(START),0) $(if $(REPLAY),--replay $(REPLAY))

mutate: setup ## Break the flow on purpose, place by place, and see that a history notices
	$(PY) -m tests.simulation.mutations

storm: setup ## Play a night of 300 and of 1,000 attacked devices in virtual time, at the documented limits
	$(PY) -m tests.simulation.storm

bench: setup ## Measure, and print the figures
	$(PYTEST) -s tests/bench $(ARGS)

format: setup ## Put the code into shape
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

WITHOUT_LINKS := const fs = require("fs"), lock = JSON.parse(fs.readFileSync("package-lock.json")); \
	for (const entry of Object.values(lock.packages)) { delete entry.funding; delete entry.resolved; } \
	fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");

# Pins stay where they are unless UPGRADE asks for newer ones. The npm lock keeps neither a registry's address
# nor the links for donations, so it reads the same wherever it is made.
lock: setup ## Compile the locks again: make lock [UPGRADE=1]
	for list in requirements requirements-dev; do \
		$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			$(if $(UPGRADE),--upgrade) --custom-compile-command 'make lock' "$$list.in" -o "$$list.txt" || exit 1; \
	done
	cd local/azurite && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error \
		--omit-lockfile-registry-resolved
	cd local/azurite && node -e '$(WITHOUT_LINKS)'

clean: ## Remove everything that the other wishes made
	rm -rf .venv "$(VENV)" local/azurite/node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
