# Thin names for `cargo xtask <verb>`; `make` alone lists them.
.PHONY: help up down reset logs test check fmt sim bench bench-ledger

help: ; @./scripts/bootstrap.sh help || true
up:    ; @./scripts/bootstrap.sh up
down:  ; @./scripts/bootstrap.sh down
reset: ; @./scripts/bootstrap.sh reset
logs:  ; @./scripts/bootstrap.sh logs
test:  ; @./scripts/bootstrap.sh test
check: ; @./scripts/bootstrap.sh check
fmt:   ; @./scripts/bootstrap.sh fmt
sim:   ; @./scripts/bootstrap.sh sim
bench: ; @./scripts/bootstrap.sh bench
# ARGS="--full --publish": see docs/how-to/measure-the-ledger.md
bench-ledger: ; @./scripts/bootstrap.sh bench-ledger $(ARGS)
