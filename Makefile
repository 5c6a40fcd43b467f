# `make run` and `make test` each make their own environment: Python 3.11 or newer and make are all they need.

VENV ?= .venv
ifndef PYTHON
PYTHON := $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
endif
VERSION := $(shell $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) and print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

BIN := $(VENV)/bin/python
RUN := $(VENV)/.run-$(VERSION)
TEST := $(VENV)/.test-$(VERSION)
PEER := $(VENV)-bench/.peer-$(VERSION)
UV := $(shell sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements-dev.txt)
COMPILE := $(BIN) -m uv pip compile --quiet --universal --no-emit-index-url --annotation-style line \
	--python-version 3.11 --custom-compile-command "make requirements" $(UPGRADE)
ARTEMIS := build/artemis/.fetched
COSMIUM := build/cosmium/server
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test crash artemis cosmium lint bench generate requirements python clean

help: ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

run: $(RUN) ## Start Praxos and print the address of its chat page
	@exec $(BIN) -m local up $(ARGS)

test: $(TEST) ## Run all tests but the crash suite (ARGS="-k word" for some)
	@exec $(BIN) -m pytest -n 3 --dist loadfile --ignore=tests/crash $(ARGS)

crash: $(TEST) ## Kill, freeze and starve the host at every durable step (ARGS="--share 0.2 --seed 7" for a part)
	@exec $(BIN) -m pytest tests/crash -n 3 $(ARGS)

artemis: $(ARTEMIS) ## Fetch the AMQP server that the Service Bus tests send to (needs Maven; to run it, a JDK)

cosmium: $(COSMIUM) ## Build the Cosmos DB server that others wrote, which the tests of the store talk to (needs Go)

lint: $(TEST) ## Check style, types, the direction of imports and the generated files
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(BIN) -m local.generate --check

bench: $(TEST) $(PEER) ## Measure Praxos next to its peers and print a table
	@PRAXOS_PEER_BIN=$(VENV)-bench/bin exec $(BIN) -m benchmarks $(ARGS)

generate: $(TEST) ## Write the generated files again: the settings sample and tables, the state diagrams
	$(BIN) -m local.generate

requirements: $(TEST) ## Pin requirements*.txt again from pyproject.toml (UPGRADE=--upgrade for newer versions)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE) --group bench -o requirements-bench.txt

clean: ## Remove the environments and caches (never the data in .praxos)
	rm -rf $(VENV) $(VENV)-bench build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

python:
	@test -n "$(VERSION)" || { \
		echo "Praxos needs Python 3.11 or newer: install one, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }

# A venv that another version of Python made, or that has no pip, is made again.
define venv
	@$(1)/bin/python -c 'import pip, sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(VERSION)")' 2>/dev/null \
		|| { echo "Making $(1) with Python $(VERSION)"; $(PYTHON) -m venv --clear $(1); }
endef

# uv installs three times as fast; where it cannot be had or cannot reach the packages, pip does it.
define install
	@echo "Installing what $(2) needs (once, about half a minute)"
	@pip="$(1)/bin/python -m pip install --quiet --disable-pip-version-check"; \
		{ $$pip "$(UV)" && $(1)/bin/python -m uv pip install --quiet --python $(1)/bin/python $(3); } || $$pip $(3)
endef

$(RUN): requirements.txt | python
	$(call venv,$(VENV))
	$(call install,$(VENV),Praxos,-r requirements.txt)
	@touch $@

$(TEST): requirements.txt requirements-dev.txt | python
	$(call venv,$(VENV))
	$(call install,$(VENV),Praxos with its tests,-r requirements.txt -r requirements-dev.txt)
	@touch $@ $(RUN)

$(ARTEMIS): tests/fakes/artemis/pom.xml
	@rm -rf $(@D)
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

$(COSMIUM): tests/fakes/cosmos/cosmium/go.mod tests/fakes/cosmos/cosmium/go.sum
	go build -C $(<D) -mod=readonly -o $(CURDIR)/$@ github.com/pikami/cosmium/cmd/server

$(PEER): requirements-bench.txt | python
	$(call venv,$(VENV)-bench)
	$(call install,$(VENV)-bench,a peer to measure against,-r requirements-bench.txt)
	@touch $@
