# The newcomer's commands are `make serve`, `make console` and `make test`, and `make check` before a commit; each builds what it needs.
PYTHON ?= python3
# An environment for each Python that is named: PYTHON=python3.13 builds .venv-3.13.
VERSION = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(VERSION))
BIN := $(VENV)/bin
LISTEN ?= tcp:8080:interface=127.0.0.1
# Where `make console` listens, and `make serve` reports to.
CONSOLE_PORT ?= 8081
TYPED := cors_service $(wildcard twisted/plugins/*.py) docs/extensions tests benchmarks fuzz mutation release
# ORDER=random shuffles the tests; SEED=1, or whatever the command shows that was run, gives the same order again.
SEED := $(if $(filter random,$(ORDER)),$(shell date +%s))
# Each module as a whole, the longest first.
PYTEST = $(BIN)/python -m pytest --quiet --dist=loadfile --no-loadscope-reorder \
	$(if $(SEED),--random-order-seed=$(SEED) --random-order)
CORES := $(shell getconf _NPROCESSORS_ONLN)

.PHONY: docs serve console check test lint style types suites quick unit thorough e2e fuzzed fuzz soak fleet mutation bench \
	locked lock sbom share dist wheelhouse image manifests news clean

serve: $(VENV)/serve
	mkdir -p build
	$(BIN)/twist --log-format=text cors --policies etc --listen $(LISTEN) \
		--report-to http://127.0.0.1:$(CONSOLE_PORT) --report-spool build/serve.spool

# Pages for people, beside `make serve` or without it: what it decides, and its policies, which may be changed there.
console: $(VENV)/serve
	mkdir -p build
	@echo 'The console: http://127.0.0.1:$(CONSOLE_PORT)/'
	$(BIN)/twist --log-format=text cors-admin --store etc --data build/console \
		--listen tcp:$(CONSOLE_PORT):interface=127.0.0.1

check: lint suites quick

test: lint suites unit fuzzed thorough

lint: style types

style: $(VENV)/test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(VENV)/test
	$(BIN)/python -m mypy --num-workers=$(CORES) $(TYPED)

# What pages must see by the policies that are delivered.
suites: $(VENV)/test
	$(BIN)/cors-service test etc

# Few examples of each property, and no servers but our own.
QUICK = $(PYTEST) --numprocesses=$(CORES) --hypothesis-profile=check -m "not slow" --ignore=tests/e2e

quick: $(VENV)/test
	$(QUICK)

unit: $(VENV)/test
	$(QUICK) --cov --cov-report=term-missing --cov-fail-under=95

# All examples of the properties, and the end-to-end tests. These wait for servers: one test more than there are cores.
thorough: $(VENV)/test $(if $(filter require,$(E2E)),$(VENV)/e2e)
	$(PYTEST) --numprocesses=$(shell expr $(CORES) + 1) -m "hypothesis or slow or e2e"

# The gateways that no system has packages of; the rest: tests/e2e/install-packages.sh.
e2e: $(VENV)/e2e

# Each target for 10 seconds, from the same seed each time: what fails, fails because of a change.
fuzzed: $(VENV)/test
	$(BIN)/python fuzz/run.py --seconds 10 --seed 1 --jobs $(CORES)

# For as long as one likes.
fuzz: $(VENV)/test
	$(BIN)/python fuzz/run.py --seconds 0

# Ten million pairs of policy and query, 100,000 edits of policies, a million texts of expressions, 10,000 changes of a
# fleet on each store, and what is measured by the clock.
soak: $(VENV)/test
	$(BIN)/python -m tests.soak $(SOAK)
	$(BIN)/python -m tests.algebra.soak
	$(BIN)/python -m tests.insights.soak
	$(BIN)/python -m tests.console.soak
	$(BIN)/python -m tests.fleet --calm 1000 --changes 10000 --policies 0
	CORS_SOAK=1 $(BIN)/python -m pytest -s -o faulthandler_timeout=3600 \
		tests/e2e/load/test_many_connections.py tests/e2e/load/test_million.py \
		tests/e2e/stores/etcd/test_scale.py tests/e2e/stores/postgresql/test_scale.py

# Replicas on PostgreSQL and on etcd, a writer, clients and faults: writes the table and the plot of docs/fleet.md.
fleet: $(VENV)/test
	$(BIN)/python -m tests.fleet --write $(FLEET)

# Thousands of small changes to the code that parses, matches and decides: which of them does no test notice?
mutation: $(VENV)/mutation
	$(BIN)/python mutation/run.py $(MUTANTS)

# Writes docs/performance.md; BENCH=--quick only shows that it works.
bench: $(VENV)/bench
	$(BIN)/python benchmarks/decide.py $(BENCH)
	$(BIN)/python benchmarks/http.py $(BENCH)
	$(BIN)/python benchmarks/report.py $(BENCH)

# The environment of CI: nothing is fetched but what the locks name, each file by its hash. pip would take a minute.
locked:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r .ci/installer.lock
	$(BIN)/python -m uv pip install --python $(BIN)/python --quiet --require-hashes -r .ci/requirements.lock
	$(BIN)/python -m uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	touch $(addprefix $(VENV)/,serve test e2e release)

# Pins what CI and the image install, by version and hash, for every Python alike; UPGRADE=--upgrade takes newer versions.
# The image gets the versions that CI has tested.
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes $(UPGRADE)
lock: $(VENV)/lock
	echo "uv >= 0.9" | $(LOCK) - --output-file .ci/installer.lock
	$(LOCK) setup.cfg --output-file .ci/requirements.lock $(addprefix --extra=,build e2e lint test tls)
	$(LOCK) setup.cfg --output-file etc/requirements.lock $(addprefix --extra=,build bundle client postgresql regex tls) --constraint .ci/requirements.lock

# What the image contains, as CycloneDX has it, out of an environment that is made as the image's is.
sbom: $(VENV)/test
	rm -rf build/runtime && mkdir -p build
	PYTHON=$(PYTHON) sh etc/install.sh build/runtime
	$(BIN)/python -m cyclonedx_py environment build/runtime/bin/python --output-reproducible --output-file build/sbom.json

# The site of the pages in docs/, in build/site. A warning is an error, and nothing is fetched.
docs: $(VENV)/test
	$(BIN)/python -m sphinx -E -W -n --keep-going -q -b html -d build/doctrees docs build/site

# Completions for shells and the manual page, out of the parser of the command.
share: $(VENV)/release
	$(BIN)/python release/share.py share

# An sdist and a wheel, the same bytes whenever one Python builds them from one commit; in build/release, what pins them.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),315532800)
dist: $(VENV)/release
	rm -rf dist build/release && mkdir -p build/release
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python release/dist.py dist
	$(BIN)/python -m twine --no-color check --strict dist/*
	$(BIN)/python release/pins.py dist > build/release/requirements.txt
	cd dist && sha256sum * > ../build/release/SHA256SUMS

# All that an installation without a network needs, for this Python on this machine.
wheelhouse: dist
	rm -rf build/wheelhouse
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
		--requirement etc/requirements.lock --dest build/wheelhouse
	cp dist/*.whl build/release/requirements.txt build/wheelhouse

# The image, out of the wheel that is in dist/.
ENGINE ?= podman
IMAGE ?= cors-service
image:
	$(ENGINE) build --build-arg WHEEL="$$(ls dist/*.whl)" --tag $(IMAGE) --file etc/Containerfile .

# The manifests for those who have no Helm: what the chart gives by default.
HELM ?= helm
KUBERNETES := etc/kubernetes
manifests:
	echo '# Made of chart/ by `make manifests`. docs/kubernetes.md says how to use and to change it.' > $(KUBERNETES)/new.yaml
	find $(KUBERNETES)/chart -type f | LC_ALL=C sort | xargs cat | sha256sum | sed 's/ .*//; s/^/# sha256 of the chart: /' \
		>> $(KUBERNETES)/new.yaml
	$(HELM) template cors-service $(KUBERNETES)/chart --kube-version 1.30 | sed 's/ *$$//' >> $(KUBERNETES)/new.yaml
	mv $(KUBERNETES)/new.yaml $(KUBERNETES)/cors-service.yaml

# Moves what newsfragments/ has into NEWS.md, as the version of cors_service/__init__.py.
news: $(VENV)/release
	$(BIN)/python -m towncrier build --yes

clean:
	rm -rf .venv .venv-* build dist share *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/serve: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[client,regex]"
	touch $@

$(VENV)/test: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[test,lint]"
	touch $@ $(VENV)/serve $(VENV)/release

$(VENV)/release: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[release]"
	touch $@

$(VENV)/lock: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[lock]"
	touch $@

$(VENV)/e2e: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[e2e]"
	touch $@

$(VENV)/mutation: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[mutation]"
	touch $@

$(VENV)/bench: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	touch $@
