# Nine commands: `make book`, `make mine`, `make doctor`, `make data`, `make compare`, `make leaderboard`, `make bench`,
# `make test`, `make test-all`. Each sets up .venv first, when requirements.txt or pyproject.toml changed.
PROFILE ?= demo
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: book mine doctor data compare leaderboard bench test test-all
.DEFAULT_GOAL := book

book: .venv/.ready  ## run what is stale of a profile and build its pages: make book PROFILE=tiny SET="seed=7 dask_scheduler=tcp://host:8786"
	@.venv/bin/python -m helpers.run --profile $(PROFILE) $(if $(SET),--set $(SET)) $(RUN)

mine: .venv/.ready  ## a profile for a table of your own: make mine TABLE=my_site_years.csv CLIMATE=monthly.csv NAMES="reco=Resp" UNITS='reco="t C ha-1 yr-1"' TO=mine
	@.venv/bin/python -m helpers.publish.mine "$(TABLE)" $(if $(CLIMATE),--climate "$(CLIMATE)") \
		$(if $(NAMES),--names $(NAMES)) $(if $(UNITS),--units $(UNITS)) $(if $(TO),--to "$(TO)")

doctor: .venv/.ready  ## what a profile needs, what is there, what is missing and how to get it: make doctor PROFILE=paper
	@.venv/bin/python -m helpers.publish.doctor --profile $(PROFILE)

data: .venv/.ready  ## fetch a product: make data PRODUCT=cru_tmp YEARS=2000-2018 TILES=h18v04 TO=folder SET="version=4.09"
	@.venv/bin/python -m helpers.fetch $(or $(PRODUCT),--list) $(if $(YEARS),--years $(YEARS)) \
		$(if $(TILES),--tiles $(TILES)) $(if $(TO),--to "$(TO)") $(if $(SET),--set $(SET)) $(FETCH)

compare: .venv/.ready  ## two runs on one page: make compare A=demo B=nolag (profiles, or folders of outputs)
	@.venv/bin/python -m helpers.publish.compare "$(A)" "$(B)"

leaderboard: .venv/.ready  ## score what a course handed in: make leaderboard LABELS=labels.csv DIR=handed_in/
	@.venv/bin/python -m helpers.publish.leaderboard "$(LABELS)" "$(DIR)"

# One thread a process, and a process a core: tests that count threads set their own. Files come in their own order:
# the longest first (tests/conftest.py), not those of most tests.
TESTED = OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses=auto --dist=loadfile \
	--no-loadscope-reorder

test: .venv/.publish  ## style, units, the tiny book end to end, its notebooks again, its pages: what each change must pass
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@$(TESTED) -m "not long"

test-all: .venv/.publish  ## these, and what takes long: kills, threads, fuzzing, chapters on real towers, the demo's book and its facts
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@$(TESTED)

bench: .venv/.ready  ## measure what the book's own code gains, and how it grows: make bench ONLY=training TO=data/bench
	@.venv/bin/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(TO),--to "$(TO)")

.PHONY: fuzz-settings
fuzz: fuzz-settings
fuzz-settings: .venv/.ready
	@echo "settings, records and tables: $(or $(N),2000) examples of each kind, seed $(or $(SEED),1)"
	@FUZZ_N=$(or $(N),2000) OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -m "not long" tests/test_fuzz_settings.py \
		-p no:cacheprovider --hypothesis-seed=$(or $(SEED),1)

.venv/.publish: .venv/.ready requirements-publish.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-publish.txt
	@touch $@

.venv/.ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11 or later, found none; install it, or name it: make PYTHON=…" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@
