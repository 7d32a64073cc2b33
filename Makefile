# Surco: make help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/tools
TORCH := $(shell sed -n 's/^torch==//p' requirements/torch.txt)
TORCH_CPU_INDEX ?=

SIZES ?=
DATASET ?= demo
DATA ?=
OUTSIDE ?=
NAME ?= sweep
SWEEP ?=
LANGUAGE ?= $(if $(filter en es,$(LANG)),$(LANG),en)
GROUP ?= 01
AUTHORS ?=
BENCH ?=
STUDIO ?=
COVERAGE ?= 0
SEED ?= 1
MINUTES ?= 10
INPUTS ?= 10000
OUT ?= .surco/weights
DEVICE ?= cpu
AWAY ?= 120
ONLY ?=
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -c GPU)
PROFILE := $(if $(filter-out 0,$(GPU)),--profile gpu,)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-slow test-e2e test-containers check-wheel lint lock sbom audit pin-images \
        stack-up stack-down up down logs kind-up kind-down submit-sweep watch songs report listen notebook deliver bench-codec \
        bench-speed bench-bits weights bench-edits bench-queue chaos fuzz clean installed

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## Make .venv and install what requirements/ locks

$(VENV)/.ready: pyproject.toml requirements/lock.txt requirements/torch.txt requirements/compiled.txt infra/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Surco needs Python 3.11 or newer; call make with PYTHON=/path/to/python3.11." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	TORCH_CPU_INDEX=$(TORCH_CPU_INDEX) $(BIN)/python infra/install.py
	@touch $@

# For verbs that have nothing to do where nothing was set up: no installing before an answer.
installed:
	@test -x $(BIN)/surco || { echo "Surco is not installed here; run make setup first." >&2; exit 2; }

demo:  ## Install, start the servers, run the demo sweep, print what came out
	@start=$$(date +%s); $(MAKE) --no-print-directory setup || exit $$?; \
	export DEMO_SETUP_SECONDS=$$(( $$(date +%s) - start )); $(BIN)/surco demo

test: test-unit test-slow test-e2e  ## Unit tests, and end-to-end tests on the real embedded servers

# A test that hangs ends its process with every thread's stack; a signal would not interrupt native code.
UNIT = OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit -n auto --dist worksteal -o timeout_method=thread
COUNTED := $(filter-out 0,$(COVERAGE))

test-unit: setup  ## Unit tests that take a moment each, without a server: COVERAGE=80 counts lines too
	$(UNIT) -m "not slow" $(if $(COUNTED),--cov --cov-report=)

test-slow: setup  ## Unit tests that train, typeset or start processes; COVERAGE=80 fails under 80 % with test-unit
	$(UNIT) -m slow $(if $(COUNTED),--cov --cov-append --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE))

# Twice the time of a unit test: on two slow cores beside other work, a sweep or a campaign takes minutes.
test-e2e: setup
	$(BIN)/python -m pytest tests/e2e --timeout=600

test-containers: setup  ## Build, run and break the Compose file where Docker answers: AWAY=120 seconds ONLY=
	AWAY=$(AWAY) FAULT_TABLE=docs/deploy.md $(BIN)/python -m pytest tests/containers --durations=0 \
	  $(if $(ONLY),-k "$(ONLY)")

check-wheel: setup  ## Build the wheel and take a song through it in an empty environment
	$(BIN)/python infra/check_wheel.py

chaos: setup  ## Faults at random on two workers, then every promise checked: SEED=1 MINUTES=10
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES)

fuzz: setup  ## Hostile inputs, each answered by a result or one short sentence: SEED=1 INPUTS=10000
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seed $(SEED) --inputs $(INPUTS)

lint: setup  ## ruff, mypy, and the floors and rooms that imports keep to
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports --no-cache

lock:  ## Renew requirements/lock.txt and requirements/torch.txt
	$(PYTHON) infra/lock.py

$(TOOLS)/.ready: requirements/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

sbom: $(TOOLS)/.ready  ## CycloneDX lists of what the images install, into build/sbom/
	@mkdir -p build/sbom
	cat requirements/worker.txt requirements/torch.txt requirements/compiled.txt | \
	  $(TOOLS)/bin/cyclonedx-py requirements - --output-reproducible --output-file build/sbom/worker.cdx.json
	$(TOOLS)/bin/cyclonedx-py requirements requirements/mlflow.txt --output-reproducible \
	  --output-file build/sbom/mlflow.cdx.json

# --strict: what the advisory service does not know fails the audit, it is not passed over.
audit: $(TOOLS)/.ready  ## Known vulnerabilities of what is locked, by PyPI's advisories
	$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps \
	  -r requirements/lock.txt -r requirements/mlflow.txt -r requirements/torch.txt -r requirements/compiled.txt

pin-images:  ## Write each base image's digest beside its tag, as its registry has it now
	$(PYTHON) -m infra.pin_images

stack-up: setup  ## Start the embedded servers and a worker
	$(BIN)/surco stack up

stack-down: installed  ## Stop them
	$(BIN)/surco stack down

up:  ## Start the servers and workers in containers (GPU profile where a GPU is there)
	$(if $(PROFILE),CPU_WORKER_QUEUES="--queue cpu") docker compose $(PROFILE) up --build --detach --wait

down:  ## Stop the containers; volumes stay
	docker compose --profile gpu --profile studio down

logs:  ## Follow the containers' logs
	docker compose --profile gpu --profile studio logs --follow

kind-up:  ## Surco on Kubernetes in containers, by kind
	$(PYTHON) -m infra.kind_up

kind-down:
	$(PYTHON) -m infra.kind_up down

submit-sweep: setup  ## Hand in a sweep: SIZES=128,256,512 DATASET=demo|gtzan|folder DATA=path OUTSIDE=folder
	$(BIN)/surco submit sweep --dataset $(DATASET) --name $(NAME) \
	  $(if $(SIZES),--sizes $(SIZES)) $(if $(DATA),--path $(DATA)) $(if $(OUTSIDE),--outside $(OUTSIDE))

watch: installed  ## Follow the newest sweep
	$(BIN)/surco watch $(SWEEP)

songs: installed  ## Pull the generated songs into songs/
	$(BIN)/surco songs $(SWEEP)

report: installed  ## Typeset the newest sweep's report: LANG=en|es
	$(BIN)/surco submit report $(SWEEP) --lang $(LANGUAGE) --out songs/report-$(LANGUAGE).pdf

listen: installed  ## Open the newest sweep's listening page
	$(BIN)/surco listen $(SWEEP)

studio: setup  ## Hear a song at every size and play with its vector, in the browser: no server is needed
	$(BIN)/surco studio $(STUDIO)

notebook: setup  ## Open the notebook
	@test -x $(BIN)/jupyter-notebook || \
	  $(BIN)/python -m pip install --quiet -r requirements/notebook.txt -c requirements/lock.txt
	$(BIN)/jupyter notebook notebooks/surco.ipynb

deliver: installed  ## Make the folder and zip to hand in: GROUP=01 AUTHORS="A, B" LANG=es
	$(BIN)/surco deliver --group $(GROUP) $(if $(AUTHORS),--authors "$(AUTHORS)") --lang $(LANGUAGE) $(SWEEP)

bench-codec: setup  ## Sound per float, ours and the peers' (needs ../shared/corpus): BENCH="--clips 63"
	$(BIN)/python -m benchmarks.codec $(BENCH)

bench-speed: setup  ## Encode, decode and train, ours beside the peers'
	$(BIN)/python -m benchmarks.speed $(BENCH)

weights: setup  ## Remake the shipped weights in chunks under ten minutes, resumable: OUT=.surco/weights DEVICE=cuda
	$(BIN)/python -m benchmarks.weights $(OUT) --device $(DEVICE) $(BENCH)

bench-bits: setup  ## Sound per bit of packed vectors, beside Opus (needs ../shared/corpus)
	$(BIN)/python -m benchmarks.bits $(BENCH)

bench-edits: setup  ## Edits of vectors beside mixing and signal processing (needs ../shared/corpus)
	$(BIN)/python -m benchmarks.edits --split test $(BENCH)

bench-studio: setup  ## The studio's answers over HTTP, beside a Gradio app that codes the same clips
	$(BIN)/python -m benchmarks.studio_latency $(BENCH)

bench-queue: setup  ## What the machinery costs, beside raw Celery and a plain script
	$(BIN)/python -m benchmarks.queue

clean:  ## Remove the environment; .surco (your data) stays
	rm -rf $(VENV)
