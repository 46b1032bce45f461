# make quickstart   environment and the embedded sweep
# make test         environment and the tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := 0.13.9

.PHONY: help venv quickstart notebooks test test-slow test-kernels lint fuzz audit bench ui clean

help:
	@grep -E '^# make' Makefile | cut -c3-
	@echo "make venv         only the environment, in $(VENV)/"
	@echo "make notebooks    execute both on the quickstart's results, to be committed"
	@echo "make test-slow    the tests that are too long for make test"
	@echo "make test-kernels the mathematics as other processors compute it; about a quarter of an hour"
	@echo "make lint         format, lint, types, import rules"
	@echo "make fuzz         thousands of damaged and hostile inputs; about an hour"
	@echo "make audit        known vulnerabilities of the dependencies; needs pypi.org"
	@echo "make bench        each speed beside its baseline"
	@echo "make ui           MLflow's pages on http://127.0.0.1:5000"
	@echo "make rehearse-X   minutes to an hour each, on two processors, most as root; X is one of"
	@echo "                  ray-up     cluster.onprem.yaml on machines made of namespaces"
	@echo "                  aws        cluster.yaml against a stand-in of AWS"
	@echo "                  autoscale  a sweep on a cluster that starts without workers"
	@echo "                  faults     every fault, inflicted on a sweep for real"
	@echo "                  soak       30 minutes in which something is killed all the time"

# uv installs in seconds what takes pip minutes; it is told of pip's own extra sources.
FIND_LINKS = UV_FIND_LINKS="$${UV_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || echo $$PIP_FIND_LINKS)}"
venv: $(BIN)/.installed
$(BIN)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	$(FIND_LINKS) \
		$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

quickstart: venv
	$(BIN)/python -m doge_ray.sweep quickstart

notebooks: quickstart
	$(BIN)/python -m tests.notebooks

test: venv
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: venv
	$(BIN)/python -m pytest -m slow

test-kernels: venv
	$(BIN)/python -m tests.kernels

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: venv
	$(BIN)/python -m tests.fuzz
	$(BIN)/python -m tests.fuzz --guided

# Strict, because a dependency that the service does not know would otherwise pass for a safe one.
audit: venv
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement constraints.txt || \
		{ echo "audit: failed; see above: a vulnerability, or the service that knows them is not reachable"; exit 1; }

# The longest last; 20 minutes on two processors, half an hour on slow ones.
# AMAZON=FOLDER names the reviews where they are already; else they are fetched once.
REVIEWS = $(if $(AMAZON),--root '$(AMAZON)')
bench: venv
	$(BIN)/python -m benchmarks.schedule
	$(BIN)/python -m benchmarks.gpu --device cpu
	$(BIN)/python -m benchmarks.rewinding $(REVIEWS) --steps 5
	$(BIN)/python -m benchmarks.padding $(REVIEWS) --steps 10
	$(BIN)/python -m benchmarks.workers
	$(BIN)/python -m benchmarks.scoring $(REVIEWS)
	$(BIN)/python -m benchmarks.fine_tuning $(REVIEWS) --rounds 1
	$(BIN)/python -m benchmarks.books --trials 1000
	$(BIN)/python -m benchmarks.plan --limit 20
	$(BIN)/python -m benchmarks.sweep --limit 60

ui: venv
	$(BIN)/mlflow ui --backend-store-uri sqlite:///runs/mlflow.db

rehearse-%: venv
	$(FIND_LINKS) $(BIN)/python -m rehearsals.$(subst -,_,$*)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
