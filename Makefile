# The commands are the lines with `##`. Each sets up .venv first, when requirements.txt or pyproject.toml changed; those
# that teach, publish or test take the packages of requirements-publish.txt too.
PROFILE ?= demo
BIN = .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: book mine doctor data compare leaderboard students pdf edition myst lite environments status links lock audit bench test test-all fuzz
.DEFAULT_GOAL := book

book: .venv/.ready  ## run what is stale of a profile and build its pages: make book PROFILE=tiny SET="seed=7 dask_scheduler=tcp://host:8786"
	@$(BIN)/python -m helpers.run --profile $(PROFILE) $(if $(SET),--set $(SET)) $(RUN)

mine: .venv/.ready  ## a profile for a table of your own: make mine TABLE=my_site_years.csv CLIMATE=monthly.csv NAMES="reco=Resp" UNITS='reco="t C ha-1 yr-1"' TO=mine
	@$(BIN)/python -m helpers.publish.mine "$(TABLE)" $(if $(CLIMATE),--climate "$(CLIMATE)") \
		$(if $(NAMES),--names $(NAMES)) $(if $(UNITS),--units $(UNITS)) $(if $(TO),--to "$(TO)")

doctor: .venv/.ready  ## what a profile needs, what is there, what is missing and how to get it: make doctor PROFILE=paper
	@$(BIN)/python -m helpers.publish.doctor --profile $(PROFILE)

data: .venv/.ready  ## fetch a product: make data PRODUCT=cru_tmp YEARS=2000-2018 TILES=h18v04 TO=folder SET="version=4.09"
	@$(BIN)/python -m helpers.fetch $(or $(PRODUCT),--list) $(if $(YEARS),--years $(YEARS)) \
		$(if $(TILES),--tiles $(TILES)) $(if $(TO),--to "$(TO)") $(if $(SET),--set $(SET)) $(FETCH)

compare: .venv/.ready  ## two runs on one page: make compare A=demo B=nolag (profiles, or folders of outputs)
	@$(BIN)/python -m helpers.publish.compare "$(A)" "$(B)"

leaderboard: .venv/.ready  ## score what a course handed in: make leaderboard LABELS=labels.csv DIR=handed_in/
	@$(BIN)/python -m helpers.publish.leaderboard "$(LABELS)" "$(DIR)"

students: .venv/.publish  ## notebooks without solutions, their data, and what grades them: make students PROFILE=demo TO=course
	@$(BIN)/python -m helpers.publish.students --profile $(PROFILE) $(if $(TO),--to "$(TO)")

pdf: .venv/.publish  ## the finished pages of a profile as one PDF, to print and to annotate: make pdf PROFILE=demo
	@$(BIN)/python -m helpers.publish.pdf --profile $(PROFILE)

edition: .venv/.ready  ## keep the finished pages as an edition: make edition VERSION=v1.0 (first with PREPARE=1, which writes the version)
	@$(BIN)/python -m helpers.publish.editions "$(VERSION)" --profile $(PROFILE) $(if $(PREPARE),--prepare)

myst: .venv/.publish  ## what MyST's own engine says of the pages of a profile, counted by kind: make myst PROFILE=demo
	@$(BIN)/python -m helpers.publish.myst --profile $(PROFILE)

lite: .venv/.publish  ## chapters 13 and 14 for a browser, beside the pages of a profile that has been run: make lite PROFILE=demo
	@$(BIN)/python -m helpers.publish.lite --profile $(PROFILE)

environments: .venv/.ready  ## binder/environment.yml and Dockerfile anew, after a change of requirements.txt
	@$(BIN)/python -m helpers.publish.environments

# One thread a process: tests that count threads set their own. tests/conftest.py says how many processes, and in which
# order files come: the longest first, not those of most tests.
TESTED = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile \
	--no-loadscope-reorder

test: .venv/.publish  ## style, units, the tiny book end to end, its notebooks again, its pages: what each change must pass
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(TESTED) -m "not long"

test-all: .venv/.publish  ## these, and what takes long: kills, threads, fuzzing, chapters on real towers, the demo's book and its facts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(TESTED)

fuzz: .venv/.ready  ## damage small files, settings and tables of every kind, and see what becomes of reading them: make fuzz N=2000 SEED=1
	@FUZZ_N=$(or $(N),2000) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not long" tests/test_fuzz_settings.py \
		-p no:cacheprovider --hypothesis-seed=$(or $(SEED),1)
	@OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py $(or $(N),2000) --seed $(or $(SEED),1)

bench: .venv/.ready  ## measure what the book's own code gains, and how it grows: make bench ONLY=training TO=data/bench
	@$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(TO),--to "$(TO)")

status: .venv/.ready  ## how the chapters of a profile ran, as a page beside the book's: make status PROFILE=tiny
	@$(BIN)/python -m helpers.publish.status --profile $(PROFILE)

links: .venv/.ready  ## whether what the pages link to is there, by Sphinx's own check: make links PROFILE=tiny
	@test -d "_build/$(PROFILE)/pages" || { echo "make: expected the pages of profile $(PROFILE), found none; run make book PROFILE=$(PROFILE)" >&2; exit 2; }
	@$(BIN)/jupyter-book build "_build/$(PROFILE)/pages" --path-output "_build/$(PROFILE)/links" --builder linkcheck

# pip-compile resolves for the system and the Python that it runs on. No address of an index goes into the file. PyPI tells
# the hashes; of an index that doesn't have PyPI's JSON each file would be downloaded, tens of gigabytes.
lock: .venv/.publish  ## every package with its version and hashes, into requirements.lock
	@CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --output-file requirements.lock requirements.txt

audit: .venv/.publish  ## what is known of holes in the packages of requirements.lock
	@mkdir -p _build
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes --requirement requirements.lock 2> _build/audit.log \
		&& tail -n 1 _build/audit.log || { tail -n 1 _build/audit.log >&2; echo "make: all of it is in _build/audit.log" >&2; exit 1; }

.venv/.publish: .venv/.ready requirements-publish.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-publish.txt
	@touch $@

.venv/.ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11 or later, found none; install it, or name it: make PYTHON=…" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@
