# What people do with this repository. `make` lists the targets; each is one plain command or a few.

.DEFAULT_GOAL := help
.PHONY: help demo story demo-check test test-interop fuzz bench check fmt clippy structure docs check-alone \
	images release-check cluster cluster-down test-cluster bench-cluster \
	preflight preflight-tests preflight-interop preflight-bench preflight-cluster preflight-images
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# Every crate, each of which must also build alone.
CRATES := kith-identity kith-policy kith-proto kith-mtls kith-runtime kith-ca kith-control-plane kith-sidecar kith kith-fuzz kith-tests

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
test: preflight-tests ## Build everything and run every test that needs no cluster
	cargo test --workspace --locked

# With the binaries of `make test`, so that nothing heavy is built twice.
test-interop: preflight-interop ## Run openssl, go-spiffe, PyPI's spiffe and Envoy against Kith; fetches them once
	cargo build --workspace --bins --locked
	scripts/test-interop

fuzz: preflight ## Run libFuzzer over every parser of peers' bytes (FUZZ_SECONDS=30 each); needs a nightly compiler
	scripts/fuzz $(ARGS)

# The binary is built alone, with the features that it ships with. Nothing else should run on the machine meanwhile.
bench: preflight-bench ## Measure the mesh beside HAProxy, handshakes beside rustls, rules and issuance (ARGS="--quick" only shows that it runs)
	cargo build --release --locked -p kith --bins
	cargo bench --locked -p kith-tests --bench mesh -- $(ARGS)
	cargo bench --locked -p kith-policy --bench evaluate
	cargo bench --locked -p kith-identity --bench parse
	cargo bench --locked -p kith-mtls --bench handshake -- $(ARGS)

images: preflight-images ## Write the images as archives for ctr, docker load and skopeo, without Docker: target/images
	cargo build --release --locked -p kith-sidecar -p kith-control-plane --bins
	scripts/images $(ARGS)

release-check: preflight-images ## Build everything twice from nothing and compare the images
	scripts/release-check

NAME ?= kith

cluster: preflight-cluster ## Start a real Kubernetes cluster on this machine (NAME=kith); as root
	@tests/cluster/run up --name $(NAME)

cluster-down: preflight-cluster ## Remove that cluster and everything that it made
	@tests/cluster/run down --name $(NAME)

# With the binaries of `make test`, so that nothing heavy is built twice.
test-cluster: preflight-cluster ## Run the tests that need a cluster, in one that they start and remove; as root
	cargo build --workspace --bins --locked
	scripts/test-cluster

# The images first, which understand none of the flags.
bench-cluster: preflight-cluster ## Measure the mesh in a cluster: pods' start, policies, renewals, memory; as root
	@$(MAKE) images ARGS=
	scripts/bench-cluster $(ARGS)

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

preflight-interop:
	@scripts/preflight cargo cc go python3 openssl

preflight-bench:
	@scripts/preflight cargo cc haproxy

preflight-cluster:
	@scripts/preflight cargo cc go python3 root

preflight-images:
	@scripts/preflight cargo cc python3
