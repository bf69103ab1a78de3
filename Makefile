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
KUSTO := tests/kusto/node_modules/.installed
BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))

# Two calls of make at once must not install over each other. Where flock is missing, they had better not be made.
ONE_AT_A_TIME := $(shell command -v flock >/dev/null 2>&1 && echo flock --close Makefile)

.DEFAULT_GOAL := help
.PHONY: help setup installed browser run stage incident host settings test check simulate mutate storm bench format lock clean lint

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  VENV=.venv313 PYTHON=python3.13 sets up and uses another interpreter beside the first.'
	@echo '  ARGS="-k isolate" is handed to pytest; HYPOTHESIS_PROFILE=dev searches longer, and anew each time.'

setup: ## Install what is locked: .venv and the storage emulator (repeated calls cost nothing)
	@$(ONE_AT_A_TIME) $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2) installed

installed: $(INSTALLED) $(AZURITE) $(KUSTO)
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

$(KUSTO): tests/kusto/package.json tests/kusto/package-lock.json
	@cd tests/kusto && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# The report's tests open it in Chromium. Where there is none, and nobody here may install it, they are skipped aloud.
browser:
ifeq ($(BROWSER),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing Chromium, for the tests of the report'; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium \
			fonts-noto-cjk; } >/dev/null 2>&1 || echo 'Chromium cannot be installed here; its tests are skipped.' >&2; \
	else echo 'No Chromium here; the tests of the report in a browser are skipped.' >&2; fi
endif

# Make hands variables from its command line and from the environment on to what it starts: INCIDENTS and PACKAGE
# reach local.run if somebody set them, and do not exist otherwise.
run: setup ## Play incidents against a simulated tenant: make run [INCIDENTS=... PACKAGE=...]
	$(PY) -m local.run

stage: setup ## Storage and a simulated tenant that stay, to try Bulkhead by hand (README)
	$(PY) -m local.run.standing

incident: setup ## Raise a harmful incident on that stage: make incident DEVICE=dc1
	$(PY) -m local.run.standing --incident "$(or $(DEVICE),host1)"

host: settings setup ## Run the functions against a settings file until interrupted: make host SETTINGS=...
	$(PY) -m local.host --settings "$(SETTINGS)" --check local.storage:check

settings:
	@test -n "$(SETTINGS)" || { echo 'Say which settings: make host SETTINGS=local.settings.json' >&2; exit 2; }
	@test -f "$(SETTINGS)" || { echo 'There is no file $(SETTINGS). local.settings.example.json is a start.' >&2; exit 2; }

test: setup browser ## Run every test but the benchmarks
	$(PYTEST) -n 2 --dist loadscope --ignore=tests/bench $(ARGS)

lint: setup ## Lint, format, types, Bicep: what CI runs before the tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m tests.bicep

check: lint ## The same, and the unit tests
	$(PYTEST) -q -n 2 --dist loadscope tests/unit $(ARGS)

simulate: setup ## Play seeded histories: make simulate [SEEDS=10000] [START=0] or [REPLAY=17 EARLIER=1 SCENES=0]
	$(PY) -m tests.simulation --seeds $(or $(SEEDS),1000) --start $(or $(START),0) $(if $(REPLAY),--replay $(REPLAY)) \
		$(if $(EARLIER),--earlier) $(if $(filter 0,$(SCENES)),--no-scenes)

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
	for list in requirements requirements-operate requirements-dev; do \
		$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			$(if $(UPGRADE),--upgrade) --custom-compile-command 'make lock' "$$list.in" -o "$$list.txt" || exit 1; \
	done
	for folder in local/azurite tests/kusto; do \
		( cd "$$folder" && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error \
			--omit-lockfile-registry-resolved && node -e '$(WITHOUT_LINKS)' ) || exit 1; \
	done

clean: ## Remove everything that the other wishes made
	rm -rf .venv "$(VENV)" local/azurite/node_modules tests/kusto/node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
