# Everything a contributor runs. `make` alone lists the targets.

GO      ?= go
GOBIN   := $(shell $(GO) env GOPATH)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X main.version=$(VERSION)
BINARY  := bin/aioproxy

.DEFAULT_GOAL := help
.PHONY: help demo demo-check build test test-only lint fmt deps clean

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
