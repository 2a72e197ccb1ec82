# Every target sets up what it needs; VENV and PYTHON may be given: make test VENV=/tmp/venv PYTHON=python3.12
PYTHON ?= python3
VENV ?= .venv
# More arguments for pip, such as an index with another build of torch: make test PIP_ARGS="--extra-index-url ADDRESS"
PIP_ARGS ?=
PORT ?= 2024
JOBS ?= 10
# Of the soak test, all places together; with half as many /v1 and the LangGraph server are still warming up.
RUNS ?= 20000
# How many processes run the tests; each takes up to 2 GB. Many tests wait for processes of their own.
WORKERS ?= 3

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
# The exact versions the suite runs with; empty: the newest that pyproject.toml allows.
CONSTRAINTS ?= --constraint constraints.txt
INSTALL := $(PIP) install --quiet $(PIP_ARGS) $(CONSTRAINTS)
DEPENDS := pyproject.toml constraints.txt requirements/embedded.txt

# What a server does first: where there is no token, it simulates the models and says so.
WITHOUT_TOKEN = $(BIN)/python -c "import sys; from omni_router.hub.tokens import find_token; sys.exit(not find_token())" \
	|| { export OMNI_SANDBOX=$${OMNI_SANDBOX:-1}; [ "$$OMNI_SANDBOX" = 0 ] || echo "No Hugging Face token: models are simulated (sandbox). Set HF_TOKEN for real ones."; }

.DEFAULT_GOAL := help
.PHONY: help demo test lowest newest bench clients serve api ui docs screenshots lint format examples fit wheel clean soak

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.core ## answer eight queries: embedded router, simulated models; needs no token, and no network once installed
	$(BIN)/omni-router --demo --router semantic --sandbox

test: $(VENV)/.test ## run all tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lowest: ## run a part of the tests with the lowest versions that pyproject.toml allows, in .venv-lowest
	PYTHON=$(PYTHON) WORKERS=$(WORKERS) .ci/lowest $(VENV)-lowest

newest: ## run all tests with the newest versions that pyproject.toml allows, in .venv-newest
	$(MAKE) test VENV=$(VENV)-newest CONSTRAINTS=

bench: $(VENV)/.test ## measure, and write docs/benchmarks.md (half an hour, 10 GB of memory; best on a quiet machine)
	$(BIN)/python -m benchmarks.cold_start $(if $(LLM),--llm $(LLM)) $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.observe
	$(BIN)/python -m benchmarks.history
	$(BIN)/python -m benchmarks.records
	$(BIN)/python -m benchmarks.load graph server api
	$(BIN)/python -m benchmarks.semantic
	$(BIN)/python -m benchmarks.strangers
	$(BIN)/python -m benchmarks.decisions
	$(BIN)/python -m benchmarks.choice
	$(BIN)/python -m benchmarks.outcomes
	$(BIN)/python -m benchmarks.cascade
	$(BIN)/python -m benchmarks.arch --rounds 3
	$(BIN)/python -m benchmarks.choices --layers 14 --rounds 5

clients: $(VENV)/.test ## drive every client, and write docs/reference/clients.md (15 minutes, 3 GB on disk; downloads them)
	$(BIN)/python -m tests.clients

soak: $(VENV)/.test ## ask RUNS (20000) times with faults, kills and hang-ups, and report what is lost or leaked (half an hour; never in CI)
	$(BIN)/python -m benchmarks.soak --runs $(RUNS)

serve: $(VENV)/.server ## start the LangGraph dev server on PORT (2024); simulated models when there is no token
	@$(WITHOUT_TOKEN); LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true LANGSMITH_TRACING=$${LANGSMITH_TRACING:-false} \
	exec $(BIN)/langgraph dev --no-browser --no-reload --port $(PORT) --n-jobs-per-worker $(JOBS)

api: $(VENV)/.server ## start the OpenAI-compatible server alone, on port 8080; simulated models when there is no token
	@$(WITHOUT_TOKEN); exec $(BIN)/omni-router serve

ui: $(VENV)/.ui ## start the page, on port 7860
	@$(BIN)/omni-router ui

docs: $(VENV)/.docs ## build the documentation into site/; every broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

screenshots: $(VENV)/.test ## take the screenshots of the page anew; needs Chromium
	$(BIN)/python -m tests.support.screenshots

lint: $(VENV)/.lint ## check style, types, the layers of imports, and how dense the code is
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/density.py
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

format: $(VENV)/.lint ## rewrite the files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

examples: $(VENV)/.test ## run every script of examples/ in the sandbox
	@for script in examples/*.py; do echo "== $$script"; OMNI_SANDBOX=1 OMNI_ROUTER=semantic $(BIN)/python $$script || exit 1; done

fit: $(VENV)/.core ## compute the vectors and fits that ship for the default policy; after any change of what they depend on
	$(BIN)/python .ci/ship_heads.py

wheel: $(VENV)/.core ## build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove the environment, caches and what runs have left
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest dist site outputs .langgraph_api .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.core: $(DEPENDS)
	@echo "Setting up $(VENV): about 420 MB, a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	$(INSTALL) --editable .
	$(PIP) install --quiet $(PIP_ARGS) --no-deps --require-hashes --requirement requirements/embedded.txt
	@touch $@

$(VENV)/.server: $(VENV)/.core
	$(INSTALL) --editable ".[server]"
	@touch $@

$(VENV)/.test: $(VENV)/.server
	@echo "Adding what the tests need, torch included: about 2.2 GB in all"
	$(INSTALL) --editable ".[agents,arch,postgres,ui,observe]" --group test
	@touch $@

$(VENV)/.ui: $(VENV)/.core
	$(INSTALL) --editable ".[ui]"
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	$(INSTALL) --group docs
	@touch $@

$(VENV)/.lint: $(VENV)/.test  # the tests are typed too
	$(INSTALL) --group lint
	@touch $@
