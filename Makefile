# Everything a person or CI runs. Each target sets up what it needs on a machine with Python 3.11, make and a C compiler.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test check bench conformance clean
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Heedful needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Run: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/heedful demo

test: $(READY)  # a worker that dies fails the run: with a new one in its place xdist waits for ever
	HF_HUB_OFFLINE=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_structure.py tests/test_docs.py

bench: $(READY)
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script --json; done

conformance: $(READY)  # the server's description put to the test: 1,000 drawn cases a route
	$(BIN)/python benchmarks/conformance.py --cases 1000

clean:
	rm -rf .venv demo-workspace .mypy_cache .ruff_cache .pytest_cache
