# Everything a contributor runs. `make` alone lists the targets.

GO      ?= go
GOBIN   := $(shell $(GO) env GOPATH)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X github.com/aioproxy/aioproxy/cmd/aioproxy/build.Version=$(VERSION)
BINARY  := bin/aioproxy

.DEFAULT_GOAL := help
.PHONY: help demo demo-check build test test-only parity parity-ci parity-build bench lint fmt deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: deps build ## primary, replica, Redis, proxy and a tour through them; stays up until Ctrl-C
	$(BINARY) demo

demo-check: deps build ## the tour without staying up; fails if a step did not go where it should
	$(BINARY) demo --check

build: ## bin/aioproxy
	$(GO) build -p 2 -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/aioproxy

test: deps test-only ## everything, against real servers that the tests start themselves

test-only:
	$(GO) test -race -p 2 -count=1 -timeout 20m ./...

PARITY_FILES ?=
PARITY_COMPOSE ?= 10m

parity: deps build parity-build ## PostgreSQL's own suites, directly and through the proxy; writes docs/COMPATIBILITY.md. PARITY_FILES=a,b: only these
	bin/parity-suites $(if $(PARITY_FILES),--files $(PARITY_FILES),--doc docs/COMPATIBILITY.md --compose $(PARITY_COMPOSE))

parity-ci: deps build parity-build ## the part of it that fits continuous integration
	bin/parity-suites --ci

parity-build:
	$(GO) build -p 2 -o bin/parity-suites ./bench/parity

BENCH ?=

bench: deps build ## aioproxy beside PgBouncer and Pgpool-II; BENCH='--rows TPC-B --rounds 5' chooses, see BENCH=--help
	.ci/install-bench
	$(GO) run ./bench/compare $(BENCH)

lint: ## golangci-lint, with the import walls of the design
	.ci/install-lint
	$(GOBIN)/golangci-lint run

fmt: ## format the Go files
	.ci/install-lint
	$(GOBIN)/golangci-lint fmt

deps: ## install PostgreSQL, Redis and a C compiler where they are missing
	@.ci/install-deps

clean: ## remove what was built
	rm -rf bin coverage.out
