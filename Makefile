# Every target is idempotent; `make help` lists them.
# The distribution's own, where it can make a .venv: it is optimized for speed, as one built by hand is not by itself.
PYTHON ?= $(shell /usr/bin/python3.11 -c 'import ensurepip' 2>/dev/null && echo /usr/bin/python3.11 || echo python3.11)
BIN := .venv/bin
SIDE_BY_SIDE := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
.PHONY: help setup compiled lock demo demo-cluster test test-fast check format run stack stack-stop faults faults-short bench docs image deploy-test clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready ## Make .venv with every package at its locked version

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

compiled: setup # every process starts sooner, also where Python may not write what it compiles
	@$(BIN)/python -m compileall -q services shared tests deploy

# AsyncAPI's own parser; its scripts would report the installation to somebody.
.venv/asyncapi/.ready: tests/asyncapi/package-lock.json | .venv/.ready
	mkdir -p $(@D)
	cp tests/asyncapi/package.json tests/asyncapi/package-lock.json $(@D)
	$(BIN)/npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

lock: ## Recompute requirements.lock from pyproject.toml (needs pip-tools)
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --all-build-deps --extra dev --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --all-build-deps --constraint requirements.lock --no-emit-index-url --no-emit-find-links --output-file deploy/requirements.lock pyproject.toml

demo: compiled ## Run the whole closed loop and tell its story
	$(BIN)/duban demo

demo-cluster: compiled ## The same on a real broker and database, every role a process
	$(BIN)/python -m deploy.stack run sh -c '$(BIN)/duban migrate && $(BIN)/duban topics apply && $(BIN)/duban demo --cluster'

test: compiled ## Run every test; of the fault harness the short run (see faults)
	$(SIDE_BY_SIDE) --durations=15 -m "not alone"
	$(BIN)/pytest --durations=15 -m alone

test-fast: compiled ## Run the tests that need no database server and no broker
	$(SIDE_BY_SIDE) --durations=15 --ignore=tests/components --ignore=tests/roles --ignore=tests/faults

check: setup .venv/asyncapi/.ready ## Format, lint, types, published documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/openapi-spec-validator docs/api/*.json
	NODE_PATH=.venv/asyncapi/node_modules $(BIN)/node tests/asyncapi/parse.cjs docs/asyncapi.yaml

format: setup ## Reformat and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

run: setup ## Serve the whole suite on one port, data in ./data
	$(BIN)/duban serve --data data

stack: setup ## Start a real PostgreSQL and Kafka broker in .stack, which run on until stack-stop
	$(BIN)/python -m deploy.stack start

stack-stop: setup ## Stop them; their data stays
	$(BIN)/python -m deploy.stack stop

faults-short: compiled ## Kill its parts for some minutes
	$(SIDE_BY_SIDE) -v tests/faults

faults: compiled ## Kill its parts at length: 4 clients x 2,000 commands; DUBAN_FAULTS_SEED=N repeats a run
	DUBAN_FAULTS=long $(BIN)/pytest -s -v tests/faults tests/roles

bench: compiled ## Run the benchmarks; prints ratios against baselines of the same run
	$(BIN)/python -m tests.bench

docs: setup ## Regenerate OpenAPI, AsyncAPI, the event map and golden files of new events
	$(BIN)/duban docs

image: compiled ## Build the image, on a base made by debootstrap (root; needs neither Docker nor a registry of images)
	$(BIN)/python -m deploy.cluster.image

deploy-test: compiled ## Build the image and a real Kubernetes control plane, roll the manifests out on simulated nodes
	DUBAN_DEPLOY=yes nice -n 15 $(BIN)/pytest -v --durations=15 tests/deploy

clean: ## Remove what the other targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
