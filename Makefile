# What people do with this repository. `make` lists the targets; each is one plain command or a few.

.DEFAULT_GOAL := help
.PHONY: help demo story demo-check test bench check fmt clippy structure docs check-alone preflight preflight-tests preflight-bench
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# Every crate, each of which must also build alone.
CRATES := kith-identity kith-policy kith-proto kith-mtls kith-runtime kith-ca kith-control-plane kith-sidecar kith kith-tests

# Flags for the demo: make demo ARGS="-o json"
ARGS ?=

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# Binaries are built for the whole workspace, so that demo, story and test share one set of features and compile once.
demo: preflight ## Run the mesh on this machine, with four services to watch (ARGS="..." adds flags)
	@cargo build --workspace --bins --locked
	@exec target/debug/kith demo $(ARGS)

story: preflight ## Walk through the demo's story and end with its result
	@cargo build --workspace --bins --locked
	@exec target/debug/kith demo --story $(ARGS)

demo-check: preflight ## The same without a reader: every figure recomputed from the identity logs, as a report
	@cargo build --workspace --bins --locked
	@target/debug/kith demo --check -o json $(ARGS)

# The end-to-end tests start the real binaries: cargo builds those with the tests, before the first one runs.
test: preflight-tests ## Build everything and run every test
	cargo test --workspace --locked

# The binary is built alone, with the features that it ships with. Nothing else should run on the machine meanwhile.
bench: preflight-bench ## Measure the mesh beside HAProxy, rules and issuance (ARGS="--quick" only shows that it runs)
	cargo build --release --locked -p kith --bins
	cargo bench --locked -p kith-tests --bench mesh -- $(ARGS)
	cargo bench --locked -p kith-policy --bench evaluate

check: preflight fmt clippy structure docs check-alone ## Everything but the tests: format, lints, structure, docs, each crate alone

fmt: ## Formatting
	cargo fmt --all --check

clippy: ## Lints, with the rules of the house as errors
	cargo clippy --workspace --all-targets --locked -- -D warnings

structure: ## Arrows between crates, licences, orphaned files
	cargo test --workspace --locked --test structure

docs: ## Documentation builds, with every link in it
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# A crate that compiles only because a sibling turned a feature on is broken for whoever builds it alone.
check-alone: ## Every crate builds alone, with nobody else's features
	@for crate in $(CRATES); do \
		echo "cargo check --locked --all-targets -p $$crate"; \
		cargo check --quiet --locked --all-targets -p $$crate; \
	done

preflight:
	@scripts/preflight cargo cc

preflight-tests:
	@scripts/preflight cargo cc curl openssl

preflight-bench:
	@scripts/preflight cargo cc haproxy
