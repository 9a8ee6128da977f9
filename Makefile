# Two commands matter: make run, make test. The rest is listed by make help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO_SOURCES := $(shell find . -name '*.go' -not -name '*_test.go' -not -path './web/node_modules/*' -not -path './.cache/*') go.mod go.sum
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/e2e/*' -not -path 'web/test/*' -not -path 'web/test-out/*' -not -name '*.go')
APP := web/dist/app/index.html

.PHONY: help run test test-embedded services services-down cluster chaos web build check conformance sim kill outage bench disks idle rates hostile embed clients browser fuzz clean needs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: needs ## build what is missing and serve the chat page on localhost:3001 (FLAGS="--listen …")
	@$(MAKE) --no-print-directory build
	@exec ./hubbub serve $(FLAGS)

test: needs ## every test, each stage with its seconds
	@scripts/test

test-embedded: needs $(APP) ## the quick loop: Go tests without Redis, Kafka and MongoDB
	@HUBBUB_TEST_ENGINES=none go test -race -timeout 15m ./...

services: needs ## start Redis, Kafka and a MongoDB-wire server for tests, on free ports; prints the addresses
	@scripts/services up

services-down: ## end what make services started
	@scripts/services down

needs:
	@scripts/needs

web: $(APP) ## build the page into web/dist/app

$(APP): $(WEB_SOURCES)
	@scripts/web

build: hubbub ## build the one binary, ./hubbub
	@:

hubbub: $(APP) $(GO_SOURCES)
	@echo "Building hubbub (the first time takes a minute or two) …"
	@CGO_ENABLED=0 go build -trimpath -o hubbub ./cmd/hubbub

check: ## linters, pinned in tools/
	@scripts/check

conformance: needs ## both official protocol suites: SUITES=<checkout of socketio/socket.io> RUNS=1
	@scripts/conformance "$(SUITES)" "$(or $(RUNS),1)"

sim: ## the simulation of the real live path: SEEDS=200 FROM=1 BREAK=
	@go test ./internal/sim -count=1 -timeout 60m -run 'TestSeeds$$|TestBreaks' -sim.seeds=$(or $(SEEDS),200) -sim.from=$(or $(FROM),1) $(if $(BREAK),-sim.break=$(BREAK)) -v

kill: build ## kill -9 under load, checked from outside: KILLS=40 SEED= CLIENTS=20 ROOMS=4
	@scripts/kill $(or $(KILLS),40) $(or $(SEED),0)

outage: ## the store away for OUTAGE=60 seconds at each fault level, checked from outside
	@scripts/outage $(or $(OUTAGE),60)

cluster: build ## real engines, three nodes on :3001-:3003 and a round-robin proxy on :3000, until Ctrl-C: PORT=3000
	@PORT=$(or $(PORT),3000) scripts/cluster

chaos: build ## faults under load on a cluster of three nodes, checked from outside: FAULT= SEED= CHAOS_SCALE=1
	@FAULT="$(FAULT)" SEED="$(SEED)" CHAOS_SCALE="$(CHAOS_SCALE)" scripts/chaos

bench: needs ## the product and the library next to socket.io on Node, with ratios; writes docs/performance.md: BENCH_SCALE=1
	@scripts/bench

disks: ## durable sends beside the bare log on disks of several speeds (root on Linux): DISKS= ROUNDS=3
	@scripts/disks

idle: build ## up to 18,000 idle sockets: memory, CPU, and whether it grows in a straight line: STEPS= HOLD=60s
	@scripts/idle

rates: build ## 500 and 2,000 messages a second on a cluster of three nodes and on one node: RATES_SCALE=1
	@scripts/rates

hostile: build ## slow and hostile clients beside a steady load, judged by the p99 of the others: COMPANY= SEED= HOSTILE_SCALE=1
	@scripts/hostile

embed: build ## the example of examples/embed in a browser
	@scripts/embed

clients: build ## official clients of several versions against the product
	@scripts/clients

browser: build ## the page in headless Chromium
	@scripts/browser

fuzz: ## every fuzz target for TIME=20s each, or for TOTAL=20m in all
	@scripts/fuzz $(or $(TIME),20s)

clean: ## remove what was built, not the data
	@[ ! -d .cache/services ] || scripts/services down
	rm -rf hubbub web/dist/app .cache
