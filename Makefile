PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Changes when what is installed changes, so that a pull brings the environment up to date.
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
# Each prints the commands of gcloud that it runs; DRY_RUN=1 prints them only.
DEPLOYMENT := image template-batch template-streaming launch-batch launch-streaming \
	update-streaming drain schedule grant

.PHONY: help run stream-demo test test-emulators fuzz lint bench clean templates \
	lock audit sbom base-images report-script test-browser test-superset test-cluster $(DEPLOYMENT)


help: ## Show this page
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

run: $(READY) ## Make a sample of 200,000 events, compute all tables into growth.duckdb, write growth.html
	$(BIN)/python -m pipeline sample --events 200000 --output sample/events.csv --seed 7
	$(BIN)/python -m pipeline batch --input 'sample/*.csv' --warehouse duckdb:///growth.duckdb
	$(BIN)/python -m pipeline report --warehouse duckdb:///growth.duckdb --output growth.html

stream-demo: $(READY) ## A history by batch, what follows through Pub/Sub's emulator into live.duckdb, with a kill; held against batch
	$(BIN)/python -m tests.emulators.demo

test: $(READY) ## Run the tests, but for those with emulators and a browser (THOROUGH=1: with more cases)
	$(BIN)/python -m pytest -n 2 --dist worksteal tests --ignore tests/emulators --ignore tests/browser \
		--ignore tests/superset --ignore tests/cluster

test-emulators: $(READY) ## Install emulators of BigQuery and Cloud Storage, run the tests with them
	$(BIN)/python -m tests.emulators.install
	EMULATORS=required $(BIN)/python -m pytest -n 2 --dist loadgroup tests/emulators

test-cluster: $(READY) ## Install Flink by Maven, run the tests on a cluster of it
	$(BIN)/python -m tests.emulators.install
	$(BIN)/python -m tests.cluster.install
	EMULATORS=required CLUSTER=required $(BIN)/python -m pytest tests/cluster

test-browser: $(READY) ## Test the report in Chromium; as root on Debian it is installed
	$(BIN)/python -m tests.browser.install
	PYTHONPATH=.browser $(BIN)/python -m pytest -rs tests/browser

test-superset: $(READY) ## Import the bundle into Superset 6.1 and look at it in Chromium
	$(BIN)/python -m tests.superset.install
	PYTHONPATH=.browser $(BIN)/python -m pytest -rs tests/superset

fuzz: $(READY) ## Attack with random input, kills, full disks (FUZZ_SECONDS=3600, FUZZ_ARGS=--help)
	$(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),3600) $(FUZZ_ARGS)

lint: $(READY) ## Check formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

templates: $(READY) ## Rewrite the templates' metadata and deploy.env.example from the options
	$(BIN)/python -m templates

lock: $(READY) ## Pin again all that is installed, with hashes (UPGRADE=1 for the newest versions)
	$(BIN)/python -m templates.lock

audit: $(READY) ## Look for known vulnerabilities in what is installed (asks PyPI)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

sbom: $(READY) ## Write what the image holds as a CycloneDX bill of materials, build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements templates/image.txt --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file build/sbom.json

base-images: $(READY) ## Write the digests that the Dockerfile's base images have now into it
	$(BIN)/python -m templates.base_images

report-script: $(READY) ## Make the charts' script of the report again (asks PyPI)
	$(BIN)/uv run --no-project --python 3.11 --with vl-convert-python==1.9.0.post1 \
		templates/report_script.py

grant: ## Create the service accounts and grant them what they need (deploy.env; DRY_RUN=1 prints)
image: ## Build and push the image of launcher and workers
template-batch: ## Upload the batch template's container spec
template-streaming: ## Upload the streaming template's container spec
launch-batch: ## Launch the batch template
launch-streaming: ## Launch the streaming template
update-streaming: ## Let this version take over from the streaming job that runs
drain: ## Drain the streaming job
schedule: ## Load the files that are new daily, by Cloud Scheduler

$(DEPLOYMENT): $(READY)
	@$(BIN)/python -m templates.deploy $@

bench: $(READY) ## Measure speed and memory (15 minutes; BENCH_ARGS="--quick" for five)
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)
	$(BIN)/python -m tests.benchmarks.updates $(BENCH_ARGS)
	for figure in speed step state warm; do $(BIN)/python -m tests.benchmarks.streaming $$figure; done
	for figure in speed latency; do $(BIN)/python -m tests.benchmarks.local_stream $$figure; done

clean: ## Remove what make run and make bench wrote
	rm -rf sample growth.duckdb growth.html live.duckdb *.duckdb.wal *.duckdb.staging-*

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 is not on the PATH: install it, or name it: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "Setting up $(VENV): a minute or two, this once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@
