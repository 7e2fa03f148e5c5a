# Needs Go and make. Each target installs what else it needs, pinned, into .tools.

# What `make build` builds for, in Go's words: arm64 or amd64. It counts only on make's
# command line. sam build takes it from the parameter Architecture instead: see .ci/sam.
ARCH := arm64
# The version that the binary reports. Empty means the template's version and the commit;
# see .ci/build. It counts only on make's command line, so that a VERSION that happens to
# be in the environment does not change the binary.
VERSION :=
LINT  := go tool -modfile=tools/go.mod golangci-lint
# Go ends the tests of a package after ten minutes by default, which a slow machine under
# load reaches: with -race, functions/retrigger takes 150 seconds alone on two idle cores.
# So we allow about twenty times as long. It only ends a test that hangs.
TEST_TIMEOUT := 45m
# CI's fuzzing is short; look for longer with FUZZTIME=10000000x. It is a count, since
# before Go 1.27 a time may end in a failure "context deadline exceeded" (go.dev/issue/75804).
FUZZTIME ?= 100000x
# What make bench measures, and where to: see go run ./bench/table -help.
BENCH ?= -write
MUTANTS ?=

.DEFAULT_GOAL := help
.PHONY: help run up invoke test test-all explore mutants test-emulators test-cloud test-browser picture fuzz bench bench-memory build command release release-check fmt fmt-check vet lint vuln validate deploy ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-zA-Z-]+:.*## / { printf "%-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The programs are built and then take the shell's place, so that Ctrl-C and SIGTERM reach
# them: `go run` would pass on neither SIGTERM nor their exit code.
run: ## run the function beside simulated AWS and Adobe, through every trigger
	@echo 'Building: some seconds, the first time a minute or more …'
	@go build -o .tools/run ./local/run
	@exec .tools/run

up: ## keep the function running beside a small simulated org, to look at and to practice on
	@echo 'Building: some seconds, the first time a minute or more …'
	@go build -o .tools/up ./local/up
	@exec .tools/up

invoke: ## run one event: make invoke EVENT=events/request.json
	@go build -o .tools/invoke ./local/invoke
	@exec .tools/invoke "$(EVENT)"

CORES = $(shell getconf _NPROCESSORS_ONLN)

# Some tests wait, for a deadline or for another process: two packages more than there are
# cores are tested at a time, and some more of their tests. The garbage collector works less
# often, as in explore. A program with -race sleeps at its end, so that the report of a race
# that another thread has just found is still written: a second by default, here 20 ms.
test: ## the tests that take seconds
	GOGC=400 GORACE=atexit_sleep_ms=20 go test -race -p $$(( $(CORES) + 2 )) -parallel $$(( 3 * $(CORES) )) -timeout $(TEST_TIMEOUT) ./...

test-all: ## all tests, those that take minutes, too
	go test -race -tags slow -timeout $(TEST_TIMEOUT) ./...

# Without -race, which would take ten times as long: the histories are played step by step.
# The garbage collector works less often: the memory is small, and time is what counts.
explore: ## play every history within bounds; further with EXPLORE_FAULTS=3
	EXPLORE=1 GOGC=600 go test -tags slow -timeout $(TEST_TIMEOUT) -count=1 -v -run '^Test(Explored|TheExplorerFindsMutants)$$' ./functions/retrigger

test-emulators: ## the integration suite against moto, ElasticMQ, DynamoDB Local and the Runtime Interface Emulator
	emulators/install
	TEST_EMULATORS=1 go test -race -timeout $(TEST_TIMEOUT) -count=1 -v ./integration/...

test-cloud: ## sam build for both architectures; the stack made in moto's CloudFormation, and the function run in it
	emulators/install sam moto rie
	go test -race -tags cloud -timeout $(TEST_TIMEOUT) -count=1 -v ./integration/cloud

test-browser: ## the console's pages in a headless Chromium, held against axe-core; pictures of them in .tools/screenshots
	integration/browser/install
	go test -tags browser -timeout $(TEST_TIMEOUT) -count=1 -v -run 'Browser|Keyboard|AnAddress' ./internal/console

picture: ## make README's pictures of the console anew, from the org of make up: some six minutes
	integration/browser/install
	@go build -o .tools/up ./local/up
	@go build -tags browser -o .tools/picture ./local/picture
	@exec .tools/picture

mutants: ## test the tests: break the code in one place at a time, and a test must fail; MUTANTS='-only M07' runs one
	go run ./local/mutants $(MUTANTS)
	$(if $(MUTANTS),,go test -tags slow -count=1 -run '^TestInvariantsCatchABrokenLedger$$' -timeout $(TEST_TIMEOUT) ./functions/retrigger)

fuzz: ## fuzz every decoder for FUZZTIME
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$file); do \
	    echo "fuzz $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname $$file)"; \
	  done; \
	done

bench: ## measure what the function costs, as one table of ratios in docs/performance.md: some ten minutes; BENCH='-row 5.4' measures one
	go run ./bench/table $(BENCH)

bench-memory: ## measure what each memory setting is worth, and draw it into docs/images/memory.svg
	go run ./bench/curve

build: ## build the function for Lambda into dist/, with the licenses of what it contains
	.ci/build $(ARCH) dist "$(VERSION)"

command: ## build the command aep-retrigger for this machine into dist/
	.ci/build-command host host dist/aep-retrigger "$(VERSION)"

release: ## make a release into dist/release/: zips, the command for three systems, templates, SBOMs, checksums
	.ci/release dist/release "$(VERSION)"

release-check: ## make it twice, which must give the same files, and look into each of them
	.ci/release-check

fmt: ## format the code
	$(LINT) fmt

fmt-check: ## fail if the code is not formatted
	$(LINT) fmt --diff

vet: ## go vet
	go vet -tags slow,browser,cloud,template ./...

lint: ## golangci-lint, staticcheck included
	$(LINT) run ./...

vuln: ## govulncheck; GOVULNDB names another database, exit code 3 means that none could be reached
	.ci/vuln

validate: ## sam validate --lint, cfn-lint and tests, of the template and of what SAM's transform makes of it
	emulators/install sam
	emulators/sam validate --lint --template template.yaml
	.tools/sam/bin/cfn-lint --include-checks I --template template.yaml
	.tools/sam/bin/python emulators/transform template.yaml >.tools/transformed.json
	.tools/sam/bin/cfn-lint --include-checks I --template .tools/transformed.json
	go test -tags template -count=1 ./internal/config

deploy: ## build and deploy with the SAM CLI
	sam build
	sam deploy

ci: ## everything that must hold
	bash .ci/run

clean: ## remove what was built and installed here
	rm -rf dist .aws-sam .local .tools
