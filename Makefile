# Three commands: `make book`, `make test` and `make data`. Each sets up .venv first, when requirements.txt or pyproject.toml changed.
PROFILE ?= demo
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: book test data
.DEFAULT_GOAL := book

book: .venv/.ready  ## run what is stale of a profile and build its pages: make book PROFILE=tiny
	@.venv/bin/python -m helpers.run --profile $(PROFILE) $(if $(SET),--set $(SET))

data: .venv/.ready  ## fetch a product: make data PRODUCT=cru_tmp YEARS=2000-2018 TILES=h18v04 TO=folder SET="version=4.09"
	@.venv/bin/python -m helpers.fetch $(or $(PRODUCT),--list) $(if $(YEARS),--years $(YEARS)) \
		$(if $(TILES),--tiles $(TILES)) $(if $(TO),--to "$(TO)") $(if $(SET),--set $(SET)) $(FETCH)

test: .venv/.ready  ## every check: style, units, the tiny book end to end, its notebooks again, its pages
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/python -m pytest

.venv/.ready: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11 or later, found none; install it, or name it: make PYTHON=…" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@
