# `make demo` and `make test` set everything up by themselves. Needs Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# No dependency posts usage or reads a .env file on import.
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export RAGAS_DO_NOT_TRACK := true
export DEEPEVAL_TELEMETRY_OPT_OUT := YES
export DEEPEVAL_DISABLE_DOTENV := 1

.PHONY: help setup demo test check bench bench-gates bench-runner bench-scorers lock schema clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/'

setup: $(READY) ## Virtual environment, locked dependencies, the package itself

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Assay needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV) (about two minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(MAKE) --no-print-directory build/links/assay
	@touch $@

build/links/assay:
	@mkdir -p $@
	@for room in registry runner gates cli; do ln -sfn ../../../$$room $@/$$room; done

demo: $(READY) ## Register, evaluate, gate and promote five bundles of the reference agent
	@$(BIN)/assay demo

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) build/links/assay ## Lint, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

bench: $(READY) ## Measure speed, beside what it is measured against; writes build/bench.json
	@$(BIN)/python tests/bench

bench-gates: $(READY) ## Simulate releases of known truth: false and missed promotions (ARGS="--releases 1000" for fewer)
	@$(BIN)/python tests/bench/gates.py $(ARGS)

bench-runner: $(READY) ## Measure the replay engine beside a bare client loop: speed, memory, kills, faults (ARGS="--only speed" for one)
	@$(BIN)/python tests/bench/runner.py $(ARGS)

bench-scorers: $(READY) ## Measure groundedness and retrieval on the data of others in $$ASSAY_EXTERNAL_DATA
	@$(BIN)/python tests/bench/scorers.py

schema: $(READY) ## Write the JSON Schemas that stand beside the YAML and JSON-lines files
	@$(BIN)/assay schema .

lock: ## Pin every dependency with hashes (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
		--group dev pyproject.toml -o requirements.lock

clean: ## Remove what was built, but not what was stored in mlruns/
	@rm -rf $(VENV) build *.egg-info .ruff_cache .import_linter_cache .hypothesis
