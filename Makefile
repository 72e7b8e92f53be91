# Everything runs from .venv, which is installed from the lock file once.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# The oldest DuckDB that must open a published file; used by one test.
OLD_DUCKDB := .venv-duckdb-1.2/.installed

.PHONY: demo ui run check test coverage bench lint types docs lock clean

demo: $(INSTALLED)
	$(BIN)/jumpcloud-inventory demo

ui: $(INSTALLED)
	$(BIN)/jumpcloud-inventory ui

run: $(INSTALLED)
	$(BIN)/jumpcloud-inventory run

# For every change: lint, types and the unit tests that need less than a minute of CPU in all.
check: lint types
	$(BIN)/pytest -m "not slow" tests/unit

# Everything, before a merge.
test: lint types $(OLD_DUCKDB)
	$(BIN)/pytest -n 3 --dist worksteal

# The lines and branches that the tests run, child processes excluded. A report without a goal.
coverage: $(INSTALLED) $(OLD_DUCKDB)
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

# Pages generated from the code; a test fails when one is not current.
docs: $(INSTALLED)
	$(BIN)/python -m pipelines.docgen data-dictionary > docs/reference/data-dictionary.md
	$(BIN)/python -m pipelines.docgen findings > docs/reference/findings.md

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...'; exit 1; }
	@echo 'Installing into .venv (about 1.1 GB, once) ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(OLD_DUCKDB): tests/data/duckdb-1.2.lock
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--only-binary :all: -r $< && touch $@ \
		|| echo 'DuckDB 1.2 has no wheel for this Python: the test that opens a file with it is skipped'

# After a change of dependencies: resolve them again, for every supported Python, without addresses.
lock: $(INSTALLED)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-strip-extras --all-extras \
		--group dev pyproject.toml -o requirements.lock
	echo 'duckdb==1.2.*' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate - -o tests/data/duckdb-1.2.lock

clean:
	rm -rf .venv .venv-duckdb-1.2 .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
