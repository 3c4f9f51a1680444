# `make demo` and `make test` set themselves up on a fresh Debian or Ubuntu that has Rust; see README.md.

CARGO ?= cargo

# Tests that build network namespaces need root: built as the user, run by sudo.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
RUNNER := $(if $(AS_ROOT),--config 'target."cfg(unix)".runner="sudo -E"')

# Most tests wait, for timers above all.
export RUST_TEST_THREADS ?= $(shell expr 3 '*' $$(nproc))

# How long each fuzz target runs.
FUZZ_SECONDS ?= 600

SCRIPTS = $(shell find . -name target -prune -o -name '*.sh' -print) .ci/run .ci/setup .ci/test

.PHONY: help demo test check lint bench fuzz install setup fmt-check clippy doc shellcheck deny

help:
	@echo 'make demo      hosts on this machine, deployed to before your eyes (needs root or sudo)'
	@echo 'make test      everything that CI checks (needs root or sudo)'
	@echo 'make check     the quick part of it: format, lints, unit tests'
	@echo 'make lint      format, lints, documentation, scripts, dependencies'
	@echo 'make bench     how long deploys take, next to bare ssh logins, inventories, next to Ansible if it is there, plans and traces'
	@echo 'make fuzz      noise for every reader of text, FUZZ_SECONDS=600 each (needs a nightly Rust and cargo-fuzz)'
	@echo 'make install   portmap-deploy into ~/.cargo/bin'

demo: setup
	$(CARGO) build --release --locked
	$(CARGO) run --quiet --release --locked $(RUNNER) -- lab demo

test: setup lint
	$(CARGO) test --locked --no-run
	CARGO='$(CARGO)' .ci/test $(RUNNER)

check: setup fmt-check clippy shellcheck
	$(CARGO) test --locked --lib

lint: setup fmt-check clippy doc shellcheck deny

bench: setup
	$(CARGO) bench --locked --no-run
	$(CARGO) bench --locked $(RUNNER)

# Ends at the first input that makes a target fail.
fuzz:
	@set -e; for target in $$($(CARGO) +nightly fuzz list); do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10; \
	done

install:
	$(CARGO) install --locked --path .

setup:
	@.ci/setup

fmt-check:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps

shellcheck: setup
	shellcheck $(SCRIPTS)

deny:
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check licenses bans sources; \
	else echo 'cargo-deny is not installed: licences and sources of dependencies are not checked'; fi
