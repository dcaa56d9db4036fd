# Two commands: `make run` and `make test`. Everything they need is installed by them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The distribution's build comes first: it is optimised (PGO, LTO). One compiled by pyenv's defaults is not, and makes the
# hot path 12 % slower.
PYTHON ?= $(shell for p in /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13 python3.11 python3.12 python3.13 python3; \
	do "$$p" -c 'import ensurepip, venv' 2>/dev/null && command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= data
LISTEN ?= 127.0.0.1:8080

PYTHON_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
CLIENTS := .venv-clients
DASHBOARD := dashboard/dist/index.html
GEO := geo/dist/sources.json

.PHONY: help run test lint build lock bench bench-query profile chaos clean unit tracker-test dashboard-test debian geo geo-or-without gates fuzz sim soak security vitals rollups screenshots dashboard-speed

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer, with its venv module, is needed; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(PYTHON_STAMP): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(PYTHON_STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

# Clients of Plausible's API, unchanged, in an environment of their own: their pins are not ours. One asks for Python
# 3.12 and runs on 3.11 as well.
$(CLIENTS)/.installed: tests/clients/requirements.lock
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --require-hashes --no-deps --ignore-requires-python -r $<
	@touch $@

.PHONY: node_tools
node_tools:
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || { echo "Node 20 or newer is needed"; exit 1; }

dashboard/node_modules/.package-lock.json: dashboard/package-lock.json | node_tools
	npm --prefix dashboard ci --no-audit --no-fund --loglevel=error

$(DASHBOARD): dashboard/node_modules/.package-lock.json $(shell find dashboard/src dashboard/public dashboard/index.html dashboard/vite.config.ts dashboard/catalogue.ts dashboard/world.ts dashboard/small-preload.ts dashboard/scripts -type f 2>/dev/null)
	npm --prefix dashboard run build --silent
	@touch $@

geo/node_modules/.package-lock.json: geo/package-lock.json | node_tools
	npm --prefix geo ci --no-audit --no-fund --loglevel=error

$(GEO): geo/node_modules/.package-lock.json tools/build_geo.py tools/build_carriers.py tools/mmdb.py tools/carriers.txt | $(PYTHON_STAMP)
	$(BIN)/python -m tools.build_geo

geo: $(GEO) ## Fetch the address data that statnive brings along (countries, mobile carriers)

geo-or-without: # a server runs without it too, and says so
	@$(MAKE) --no-print-directory geo || echo "The address data could not be made (why is above): this server will not know countries and mobile carriers. \`make geo\` tries again." >&2

run: $(PYTHON_STAMP) $(DASHBOARD) geo-or-without ## Set everything up and start the server on the embedded engine
	$(BIN)/statnive serve --data-dir $(DATA_DIR) --listen $(LISTEN)

build: $(DEV_STAMP) $(DASHBOARD) $(GEO) ## Build the wheel, with the tracker, the dashboard and the address data inside
	$(BIN)/python -m build --outdir dist .

lint: $(DEV_STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

DEBIAN_TOOLS := chromium nginx strace ip iptables mkfs.ext4 cc curl openssl slowhttptest systemd-analyze
DEBIAN_PACKAGES := chromium nginx-light strace iproute2 iptables e2fsprogs gcc libc6-dev curl openssl slowhttptest systemd
debian: # what the tests drive, from Debian: a browser, a reverse proxy, a tracer of system calls, links and disks to break
	@for tool in $(DEBIAN_TOOLS); do PATH="$$PATH:/usr/sbin:/sbin" command -v $$tool >/dev/null || missing=1; done; \
	[ -z "$$missing" ] || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN_PACKAGES) >/dev/null; \
	  else echo "The tests need these packages: apt-get install $(DEBIAN_PACKAGES)"; exit 1; fi; }

tracker/node_modules/.package-lock.json: tracker/package-lock.json | node_tools
	npm --prefix tracker ci --no-audit --no-fund --loglevel=error

tracker-test: tracker/node_modules/.package-lock.json
	npm --prefix tracker test --silent

dashboard-test: $(DASHBOARD)
	npm --prefix dashboard run check --silent
	npm --prefix dashboard test --silent
	npm --prefix dashboard run gate --silent

unit: $(DEV_STAMP) $(DASHBOARD) $(GEO) tracker/node_modules/.package-lock.json $(CLIENTS)/.installed debian
	PYTHONHASHSEED=0 $(BIN)/python -m pytest -n 2 --dist loadfile

test: lint tracker-test dashboard-test unit ## Everything that CI checks

bench: $(DEV_STAMP) ## Measure the ingest path (about 25 minutes) and write docs/receipts/ingest.md
	$(BIN)/python -m chaos.bench.ingest

profile: $(DEV_STAMP) ## What the event loop's thread does at 16,700 requests a second, by the kernel's sampler, into docs/receipts/loop.md
	@command -v perf >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get install -y -qq linux-perf >/dev/null; } || { echo "perf is needed: apt-get install linux-perf"; exit 1; }
	$(BIN)/python -m chaos.bench.loop_profile

EVENTS ?= 200000000
bench-query: $(DEV_STAMP) ## How long every report takes over EVENTS events and a year, into docs/receipts/queries.md
	$(BIN)/python -m chaos.bench.queries --events $(EVENTS) $(if $(DATA),--data $(DATA))

gates: $(DEV_STAMP) ## Correct share of each class of the labelled sources, channels and agents
	$(BIN)/python -m tests.attribution.gates

fuzz: $(DEV_STAMP) ## Ten minutes of bad input through parser, pipeline and head reader
	$(BIN)/python -m chaos.fuzz --seconds 600

SEEDS ?= 50000
FIRST ?= 0
sim: $(DEV_STAMP) ## Simulate SEEDS worlds (from FIRST on): log, committer and writer on a failing disk and engine
	$(BIN)/python -m chaos.sim --seeds $(SEEDS) --first $(FIRST)

chaos: $(DEV_STAMP) debian ## Break a node in every way there is, under load, account for every event and write docs/receipts/chaos.md (HOLD=seconds, ONLY=A,C)
	$(BIN)/python -m chaos.matrix $(if $(HOLD),--hold $(HOLD)) $(if $(ONLY),--only $(ONLY)) --receipt docs/receipts/chaos.md

screenshots: $(DEV_STAMP) $(DASHBOARD) $(GEO) debian ## The dashboard's main views, from made-up data, into docs/screenshots/
	$(BIN)/python -m tools.screenshots

HOURS ?= 72
soak: $(DEV_STAMP) debian ## The same for HOURS, in turn, with a daily curve; ends with the oracle and soak-report/report.md
	$(BIN)/python -m chaos.soak --hours $(HOURS)

security: $(DEV_STAMP) $(DASHBOARD) debian ## Attack a node on this machine in every way we know; a line for each attack (ONLY=http2,slow)
	$(BIN)/python -m chaos.security $(if $(ONLY),--only $(ONLY))

vitals: $(DEV_STAMP) debian ## What the tracker costs a page (about 15 minutes), into docs/receipts/vitals.md
	$(BIN)/python -m chaos.bench.vitals

dashboard-speed: $(DEV_STAMP) $(DASHBOARD) debian ## The dashboard's first load on a slow phone and link (about 5 minutes), into docs/receipts/dashboard.md
	$(BIN)/python -m chaos.bench.dashboard

rollups: $(DEV_STAMP) ## Sizes of the rollups and errors of their unique counts (about 10 minutes), into docs/receipts/rollups.md
	$(BIN)/python -m chaos.bench.rollups

lock: $(DEV_STAMP) ## Pin the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
	echo "kctl-plausible plausible-mcp schemathesis" | tr ' ' '\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.12 - -o tests/clients/requirements.lock

clean: ## Remove what was built (not the data)
	rm -rf $(VENV) $(CLIENTS) dist dashboard/dist dashboard/node_modules tracker/node_modules geo/dist geo/node_modules
