# The newcomer's two commands are `make serve` and `make test`; both build what they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
LISTEN ?= tcp:8080:interface=127.0.0.1
TYPED := cors_service twisted/plugins/cors_service_plugin.py

.PHONY: serve test lint unit e2e fuzzed fuzz soak mutation bench clean

serve: .venv/serve
	$(BIN)/twist --log-format=text cors --policies etc/policies.toml --listen $(LISTEN)

test: lint fuzzed unit

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)

# The gateways that no system has packages of; the rest: tests/e2e/install-packages.sh.
e2e: .venv/e2e

unit: .venv/test $(if $(filter require,$(E2E)),.venv/e2e)
	$(BIN)/python -m pytest --cov --cov-report=term-missing --cov-fail-under=95

# Each target for 20 seconds, from the same seed each time: what fails, fails because of a change.
fuzzed: .venv/test
	$(BIN)/python fuzz/run.py --seconds 20 --seed 1

# For as long as one likes.
fuzz: .venv/test
	$(BIN)/python fuzz/run.py --seconds 0

# Ten million pairs of policy and query, and what is measured by the clock.
soak: .venv/test
	$(BIN)/python -m tests.soak $(SOAK)
	CORS_SOAK=1 $(BIN)/python -m pytest -s tests/e2e/load/test_many_connections.py

# Thousands of small changes to the code that parses, matches and decides: which of them does no test notice?
mutation: .venv/mutation
	$(BIN)/python mutation/run.py $(MUTANTS)

# Writes docs/performance.md; BENCH=--quick only shows that it works.
bench: .venv/bench
	$(BIN)/python benchmarks/decide.py $(BENCH)
	$(BIN)/python benchmarks/http.py $(BENCH)
	$(BIN)/python benchmarks/report.py $(BENCH)

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/serve: .venv/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[regex]"
	touch $@

.venv/test: .venv/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[test,lint]"
	touch $@ .venv/serve

.venv/e2e: .venv/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[e2e]"
	touch $@

.venv/mutation: .venv/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[mutation]"
	touch $@

.venv/bench: .venv/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	touch $@
