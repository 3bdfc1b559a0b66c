# The README's commands. Everything lives in .venv; constraints.txt pins what is installed there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLER_VENV := .venv-installer
OUT ?= demo
SHIPPED := src/cardiofusion/bundle/shipped

.PHONY: setup demo test lint pretrain studies bundles fusion results latency encoder supervised masked ptbxl-full virtual \
  speed peers peers-tabular peers-automl peers-delineation delineation readers-table quality quality-reference tabular transcript pictures encoder-pictures clinic-pictures serve-table installer \
  locales clean

setup: $(VENV)/.train ## the environment that trains and assesses

$(VENV)/.train: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,postgresql]'
	touch $@

$(VENV)/.dev: $(VENV)/.train
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,serve,postgresql,dev,installer]'
	touch $@

demo: setup ## virtual patients, all stages, one assessed: needs no data
	$(BIN)/cardiofusion demo --out $(OUT)

$(VENV)/.programs: .ci/programs $(VENV)/.dev
	.ci/programs
	touch $@

test: $(VENV)/.dev $(VENV)/.programs
	$(BIN)/pytest -n 2 --dist loadscope -q

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src tests benchmarks packaging
	$(BIN)/ruff check src tests benchmarks packaging
	$(BIN)/mypy

studies: setup ## both studies on real data (see docs/studies.md)
	$(BIN)/cardiofusion train studies/ptb-xl.toml --out runs/ptb-xl
	$(BIN)/cardiofusion train studies/original.toml --out runs/original

bundles: setup ## the two bundles of the package again, from their study files (about half an hour)
	for study in ecg-findings mortality original; do \
	  $(BIN)/cardiofusion train studies/shipped/$$study.toml --out runs/shipped/$$study || exit 1; done
	$(BIN)/cardiofusion combine runs/shipped/ecg-findings runs/shipped/mortality --name reference \
	  --title "ECG findings (PTB-XL) and ten-year mortality (NHANES I)" --out $(SHIPPED)/reference
	rm -rf $(SHIPPED)/original && cp -r runs/shipped/original $(SHIPPED)/original

results: setup ## README's table from the shipped bundles' studies (after `make bundles`)
	$(BIN)/python benchmarks/results.py $(addprefix runs/shipped/,ecg-findings mortality original) --write README.md

latency: setup ## README's table of latencies
	$(BIN)/python benchmarks/latency.py $(SHIPPED)/reference $(SHIPPED)/original --write README.md

pretrain: setup ## the shipped encoder again, from its seed (an hour on one core) into runs/encoder
	$(BIN)/cardiofusion pretrain --out runs/encoder --setting shipped --threads 1 \
	  --corpus code15=$${CARDIOFUSION_DATA:-../shared/data}/code15

encoder: setup ## linear probes beside peers: the shipped encoder's into docs/encoder-log.md, README and its card, or ENCODER=FILE's
	$(BIN)/python benchmarks/encoder.py $(ENCODER) $(if $(ENCODER),,--write docs/encoder-log.md)
	$(if $(ENCODER),,$(BIN)/python benchmarks/excerpt.py)

masked: setup ## its masked R2 beside predictors that need no network, into docs/encoder-log.md
	$(BIN)/python benchmarks/masked.py $(ENCODER) $(if $(ENCODER),,--write docs/encoder-log.md)
	$(if $(ENCODER),,$(BIN)/python benchmarks/excerpt.py)

supervised: setup ## networks trained on labels, from scratch and from the encoder, into docs/encoder-log.md
	$(BIN)/python benchmarks/supervised.py --write docs/encoder-log.md
	$(if $(ENCODER),,$(BIN)/python benchmarks/excerpt.py)

ptbxl-full: setup ## the published protocol on PTB-XL: six label sets (see `cardiofusion data fetch`)
	$(BIN)/python benchmarks/ptbxl_full.py $(ENCODER)

virtual: setup ## virtual ECGs beside PTB-XL's: distributions, and a classifier that tells them apart
	$(BIN)/python benchmarks/virtual.py

fusion: setup ## what fusing adds: planted interaction, useless modalities, matched cohorts, into docs/fusion.md
	$(BIN)/python benchmarks/fusion.py --write docs/fusion.md

speed: setup ## the encoder's graph by itself: time, memory, and the same in fewer bits, into docs/encoder-log.md
	$(BIN)/python benchmarks/encoder_speed.py --write docs/encoder-log.md

peers: ## MiniRocket, in an environment of its own
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check aeon==1.6.0

peers-tabular: ## boosted trees, regressions and survival models, in an environment of their own
	$(PYTHON) -m venv .venv-peers-tabular
	.venv-peers-tabular/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 scikit-learn==1.9.1 \
	  xgboost-cpu==3.2.0 catboost==1.2.10 interpret-core==0.7.8 scikit-survival==0.28.0

peers-automl: ## AutoGluon, in an environment of its own
	$(PYTHON) -m venv .venv-peers-automl
	.venv-peers-automl/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 scikit-learn==1.9.1 \
	  'autogluon.tabular[lightgbm,catboost,xgboost]==1.6.3'

peers-delineation: ## NeuroKit2, in an environment of its own
	$(PYTHON) -m venv .venv-peers-delineation
	.venv-peers-delineation/bin/pip install --quiet --disable-pip-version-check neurokit2==0.2.13 wfdb==4.3.1

delineation: $(VENV)/.dev ## P, QRS and T on LUDB beside NeuroKit2, into docs/delineation.md
	$(BIN)/python benchmarks/delineation.py --write docs/delineation.md

quality-reference: setup ## what beats usually look like, for quality to judge by (from virtual patients and CODE-15%)
	$(BIN)/python benchmarks/quality_reference.py

quality: setup ## planted faults found, and false alarms, into docs/quality.md
	$(BIN)/python benchmarks/quality.py --write docs/quality.md

readers-table: $(VENV)/.dev ## ECG readers: held against others, mutants, speed (15 minutes), into docs/formats.md and README
	$(BIN)/python benchmarks/readers.py --write docs/formats.md

tabular: setup ## the clinical row's models beside peers: cardio70k, NHANES I, MUSIC, one row's time, into docs/tabular.md
	$(BIN)/python benchmarks/tabular.py --write docs/tabular.md

transcript: setup ## README's transcript: runs the demo
	$(BIN)/python benchmarks/transcript.py $(OUT) --write README.md

pictures: ## docs/pictures from the demo's virtual patient (needs chromium)
	chromium --headless --no-sandbox --disable-gpu --disable-background-networking --user-data-dir=$$(mktemp -d) \
	  --screenshot=docs/pictures/sheet.png --window-size=1180,2330 file://$(abspath $(OUT))/sheet.html

locales: $(VENV)/.dev ## the catalogs of the pages' languages: texts extracted, translations kept, compiled
	$(BIN)/python benchmarks/locales.py

serve-table: $(VENV)/.dev ## the server: latency, a batch, memory over 100,000 requests, into docs/clinic.md
	$(BIN)/python benchmarks/serve.py --write docs/clinic.md

clinic-pictures: $(VENV)/.dev ## docs/pictures of the clinic application (needs chromium)
	$(BIN)/python benchmarks/clinic_pictures.py

encoder-pictures: $(VENV)/.dev ## docs/pictures of virtual ECGs and of the encoder's work (needs chromium; CURVES=FILE.json)
	$(BIN)/python benchmarks/pictures.py $(if $(CURVES),--curves $(CURVES))

$(INSTALLER_VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(INSTALLER_VENV)
	$(INSTALLER_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[serve,postgresql,installer]'
	touch $@

installer: $(INSTALLER_VENV)/.ready ## the clinic's program as a .deb and a tarball, in dist/ (see packaging/README.md)
	$(INSTALLER_VENV)/bin/python packaging/build.py --out dist

clean:
	rm -rf $(VENV) $(INSTALLER_VENV) build dist runs demo
