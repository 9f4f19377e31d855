# `make run` and `make test` need only Python 3.11 or 3.12 and a package registry.
# They write only into this folder: .venv, artifacts and a Prefect home of their own.
export PREFECT_HOME := $(CURDIR)/artifacts/prefect-home
# An address that is exported in the caller's shell is that of another server.
unexport PREFECT_API_URL
# Without compiled files in .venv every process compiles what it imports again: half of its processor time.
unexport PYTHONDONTWRITEBYTECODE
export GLOG_v ?= 3

BIN := .venv/bin
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group build

.PHONY: run serve ui team down deploy test acceptance format lock bench clean

run: ## Run the main job on the embedded sample dataset
	@operation/setup requirements.lock
	@mkdir -p -m 700 '$(PREFECT_HOME)'
	@$(BIN)/garbage run

serve: ## Serve the model that was trained last, with a page for photographs; PORT=8000
	@operation/setup requirements.lock
	@$(BIN)/garbage serve $(if $(PORT),--port $(PORT))

ui: ## Start a Prefect server and a worker in the background, and deploy; PORT=4200
	@operation/setup requirements.lock
	@$(BIN)/python -m operation.ui up $(if $(PORT),--port $(PORT))

team: ## Start PostgreSQL, a Prefect server with a password and two workers that share results, and deploy; PORT=4200
	@operation/setup requirements.lock
	@$(BIN)/python -m operation.ui up --profile team $(if $(PORT),--port $(PORT))

down: ## Stop what `make ui` or `make team` started
	@test ! -x $(BIN)/python || $(BIN)/python -m operation.ui down

# The only target that uses the server of the caller's environment.
deploy: ## Deploy to the server of PREFECT_API_URL, else to that of `make ui`; NOTIFY_URL=... for notices
	@operation/setup requirements.lock
	@PREFECT_API_URL='$(PREFECT_API_URL)' $(BIN)/python -m operation.deploy $(if $(filter undefined,$(origin NOTIFY_URL)),,--notify '$(NOTIFY_URL)')

test: ## Set up and run every check: ruff, mypy, the test suite
	@operation/setup requirements-dev.lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 4 --no-loadscope-reorder

acceptance: ## Run the acceptance tests once, then repeat tests/flows and tests/operation on busy cores; REPEAT=10
	@operation/setup requirements-dev.lock
	$(BIN)/pytest -m acceptance
	@$(BIN)/python -m tests.repeat $(or $(REPEAT),10)

format: ## Sort imports and format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: ## Update the pinned packages (needs uv in .venv)
	$(UV_LOCK) pyproject.toml --output-file requirements.lock
	$(UV_LOCK) --group dev --all-extras --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock

bench: ## Measure this project and its peers and write docs/benchmarks.md; DATASET=path QUICK=1
	@operation/setup requirements.lock
	@$(BIN)/python benchmarks/bench.py $(if $(DATASET),--dataset '$(DATASET)') $(if $(QUICK),--quick)

clean: ## Remove the environments and all results
	rm -rf .venv .venv-peers artifacts/* build
