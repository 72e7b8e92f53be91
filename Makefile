# Everything runs from .venv, which is installed from a lock file once: RUNNABLE is what a run needs,
# INSTALLED has the development tools and the cluster too, in the same versions.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RUNNABLE := .venv/.runnable
# The first and the last release of each DuckDB that must read a published file; for one test.
DUCKDB_LOCKS := $(wildcard tests/data/duckdb/*.lock)
DUCKDB_CLIENTS := $(DUCKDB_LOCKS:tests/data/duckdb/%.lock=.duckdb-clients/%/.installed)
# The oldest release of each library that pyproject.toml allows; for one test.
OLDEST := .oldest-libraries/.installed
# Programs that read the history and the published file; for two tests.
READERS := .readers/.installed
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
FETCH := $(INSTALL) --require-hashes --no-compile --only-binary :all:

.PHONY: demo ui run check test ready suite coverage bench lint types definitions docs test-libraries lock clean

demo: $(RUNNABLE)
	$(BIN)/jumpcloud-inventory demo

ui: $(RUNNABLE)
	$(BIN)/jumpcloud-inventory ui

run: $(RUNNABLE)
	$(BIN)/jumpcloud-inventory run

# For every change: lint, types, what Dagster loads, and the unit tests that need less than a minute
# of CPU in all.
check: lint types definitions
	$(BIN)/pytest -m "not slow" tests/unit

# Everything, before a merge.
test:
	@$(MAKE) --no-print-directory -j 4 ready
	@$(MAKE) --no-print-directory suite

# What comes before the tests. With `-j 4`, it goes on while libraries are downloaded.
ready: lint types test-libraries

suite: $(INSTALLED)
	$(BIN)/pytest -n 3 --dist worksteal

# The lines and branches that the tests run, child processes excluded. A report without a goal.
coverage: $(INSTALLED) test-libraries
	$(BIN)/pytest -n 3 --dist worksteal --cov --cov-report=term --cov-report=html

# Twenty minutes on two cores; each figure is a ratio taken in one run.
# Names: BENCH='pull limits'
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(BENCH)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell *.md docs pipelines assets_defs benchmarks tests
	$(BIN)/python -m tests.support.prose

types: $(INSTALLED)
	$(BIN)/mypy

# As others load them. The first command checks YAML too.
definitions: $(INSTALLED)
	$(BIN)/dg check defs
	$(BIN)/dg list defs > /dev/null

# Pages generated from the code; a test fails when one is not current.
docs: $(INSTALLED)
	$(BIN)/python -m pipelines.docgen data-dictionary > docs/reference/data-dictionary.md
	$(BIN)/python -m pipelines.docgen findings > docs/reference/findings.md
	$(BIN)/python -m pipelines.docgen schema > docs/reference/schema.sql
	$(BIN)/python -m pipelines.docgen dbt-sources > docs/reference/dbt-sources.yml

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -m venv .venv

$(RUNNABLE): requirements-run.lock pyproject.toml | $(BIN)/pip
	@echo 'Installing into .venv (about 0.6 GB, once) ...'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/pip
	@echo 'Installing into .venv (about 1.3 GB, once) ...'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-build-isolation -e .
	@touch $@ $(RUNNABLE)

test-libraries: $(DUCKDB_CLIENTS) $(OLDEST) $(READERS)

.duckdb-clients/%/.installed: tests/data/duckdb/%.lock | $(BIN)/pip
	@rm -rf $(@D)
	@$(FETCH) --target $(@D) -r $< && touch $@ \
		|| echo 'DuckDB $* has no wheel for this Python: a published file is not opened with it'

$(OLDEST): tests/data/oldest.lock | $(BIN)/pip
	@rm -rf $(@D)
	@$(FETCH) --target $(@D) -r $< && touch $@ \
		|| echo 'The oldest libraries have no wheel for this Python: the program is not run with them'

$(READERS): tests/data/readers.lock | $(BIN)/pip
	@rm -rf $(@D)
	@$(FETCH) --target $(@D) -r $< && touch $@ \
		|| echo 'The readers have no wheel for this Python: they do not read the history'

# After a change of dependencies: resolve them again, for every supported Python, without addresses.
lock: $(INSTALLED)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-strip-extras --all-extras \
		--group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-strip-extras --group build \
		-c requirements.lock pyproject.toml -o requirements-run.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --resolution lowest-direct pyproject.toml \
		-o tests/data/oldest.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-deps tests/data/readers.in \
		-o tests/data/readers.lock
	for minor in 1.2 1.3 1.4 1.5 2.0; do for patch in 0 x; do \
		echo "duckdb==$$minor.$$patch" | tr x '*' | $(BIN)/uv pip compile --quiet --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate - \
		-o tests/data/duckdb/$$minor.$$patch.lock || exit; done; done

clean:
	rm -rf .venv .duckdb-clients .oldest-libraries .readers .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
