# Two commands matter: `make demo` and `make test`. Both install what they miss (scripts/setup.sh).
#
#   make dist         target/dist: the tree vmware-vix-disklib-distrib/{include,lib64}, what clients are pointed at,
#                     the wheel of the Python package, the tarball, the packages of Debian
#   make tree         the tree alone
#   make install      the library, headers and a pkg-config file below PREFIX (and DESTDIR)
#   make install-command   the command vixen, its completions and manual pages, below the same
#   make header       what is derived from the Rust sources: the headers, docs/compatibility.md, and the
#                     error codes of the bindings
#   make bench        this library beside its peers, in one run; writes docs/performance.md
#   make nightly      what takes too long for every change: 2,000 random sequences, 5,000 faults of hosts, every fuzz
#                     target for 30 minutes, the command and Python for aarch64, a second build with the same bytes
#   make advisories   known holes of the crates that are used, by RustSec; needs a network
#   make fuzz-smoke   every fuzz target for FUZZ_SECONDS seconds

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
NIGHTLY_FUZZ_SECONDS ?= 1800
CARGO ?= cargo

VERSION := 8.0.3
DIST := target/dist/vmware-vix-disklib-distrib
LIBRARY := libvixDiskLib.so
LINKS := .so .so.6 .so.7 .so.8 .so.9

REPRODUCIBLE = $(RUSTFLAGS) --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(CURDIR)=/vixen

.PHONY: demo test dist tree wheel packages install install-command header bench fuzz-smoke nightly advisories library command clean

demo:
	scripts/setup.sh demo
	$(MAKE) --no-print-directory tree
	scripts/demo.sh $(DIST)

test:
	scripts/setup.sh test
	scripts/test.sh

# Built this way because LTO is dropped when a crate is built as cdylib and rlib at once. No path of this machine gets
# in, so that the same sources give the same bytes wherever they are. TARGET is another platform, by Rust's name.
library:
	RUSTFLAGS="$(REPRODUCIBLE)" $(CARGO) rustc --release --lib --crate-type cdylib $(if $(TARGET),--target $(TARGET))

command:
	RUSTFLAGS="$(REPRODUCIBLE)" $(CARGO) build --release -p vixen-cli $(if $(TARGET),--target $(TARGET))

dist: tree wheel packages

tree: library
	scripts/dist.sh $(DIST) target/release/$(LIBRARY) $(VERSION)

wheel: tree
	scripts/setup.sh dist
	scripts/wheel.sh $(DIST) target/dist

packages: wheel command # the checksum of the wheel is told too
	scripts/setup.sh dist
	scripts/package.sh $(DIST) target/release/vixen target/dist

install: library
	scripts/install.sh "$(DESTDIR)" "$(PREFIX)" target/release/$(LIBRARY) $(VERSION)

install-command: command
	scripts/install-command.sh "$(DESTDIR)" "$(PREFIX)" target/release/vixen

header:
	$(CARGO) run --quiet -p xtask -- all

bench:
	scripts/setup.sh bench
	$(MAKE) --no-print-directory tree
	benches/run.sh $(DIST)

fuzz-smoke:
	scripts/setup.sh fuzz
	fuzz/smoke.sh $(FUZZ_SECONDS)

# Other random numbers each time: this is for finding what nobody has found yet.
nightly:
	scripts/setup.sh test
	scripts/test.sh aarch64 aarch64_command aarch64_python reproducible
	VIXEN_SEQUENCES=2000 $(CARGO) test --release --test sequences -- --nocapture
	VIXEN_FAULT_RUNS=5000 VIXEN_FAULT_SEED=$$(date +%s) $(CARGO) test --release -p esxi-sim --test faults
	bash -o pipefail -c 'FUZZ_SEED= fuzz/smoke.sh $(NIGHTLY_FUZZ_SECONDS) 2>&1 | fuzz/hours.sh'

advisories:
	scripts/check-dependencies.sh advisories

clean:
	$(CARGO) clean
