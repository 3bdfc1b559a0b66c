"""The sections of a study file. Each key stands here once: its type, its limits, its default, its words.

The parser (file.py) checks against these classes, and `study new` (new.py) writes their words as comments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from cardiofusion.datasets import ColumnSpec, TaskSpec
from cardiofusion.records import Alignment, ClinicalSchema, Column, Modality, Task, TaskKind
from cardiofusion.tabular import Budget, Recipe, sure_directions
from cardiofusion.tabular.recipe import MAX_TREES

# published data set -> the outcomes it brings
OUTCOMES: Mapping[str, tuple[str, ...]] = {
    "ptb-xl": ("superclass",),
    "cardio70k": ("cardio",),
    "code15": (),
    "nhanes1": ("mortality",),
    "music": ("death", "cardiac_death", "sudden_cardiac_death", "pump_failure_death"),
    "uci-heart": ("disease",),
    "heart-failure": ("death",),
    "mimic-iv-demo-meds": ("death_in_hospital",),
    "virtual": ("event", "findings", "interaction", "survival"),
}
PUBLISHED = tuple(name for name in OUTCOMES if name != "virtual")
DATASETS = (*PUBLISHED, "virtual", "folder")
CORPORA = ("ptb-xl", "code15", "folder")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


@dataclass(frozen=True)
class Key:
    """What a key means, and which values make sense. `above`: the lower limit itself is excluded."""

    words: str
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True)
class Heading:
    """What the study is called, and what makes it repeatable."""

    name: Annotated[str, Key("short name: letters, digits, - and _", pattern=_NAME)]
    title: Annotated[str, Key("one line for the report")] = ""
    seed: Annotated[int, Key("every random choice follows from it", low=0, high=2**32 - 1)] = 7
    threads: Annotated[int, Key("CPU threads to use", low=1, high=256)] = 2


@dataclass(frozen=True)
class Data:
    """Where the patients come from."""

    dataset: Annotated[
        str,
        Key('a published data set, "virtual" patients, or "folder": a cohort of your own', choices=DATASETS),
    ]
    path: Annotated[str, Key("the data's folder, from this file; ${NAME} stands for a variable")] = ""
    patients: Annotated[int, Key("virtual: how many to make", low=100, high=1_000_000)] = 1500
    table: Annotated[str, Key("folder: the CSV or Parquet table, from `path`")] = ""
    patient: Annotated[str, Key("folder: the column that names the patient")] = ""
    ecg: Annotated[str, Key("folder: the column that names the ECG file; leave out without ECGs")] = ""
    ecg_folder: Annotated[str, Key("folder: where the ECG files are, from `path`")] = ""
    fold: Annotated[str, Key("folder: a column of fold numbers, where the table has one")] = ""
    leave_out: Annotated[tuple[str, ...], Key("published: clinical columns not to learn from")] = ()
    licence: Annotated[str, Key("folder: what the bundle shall say about the data's licence")] = ""


@dataclass(frozen=True)
class ColumnPlan:
    """One clinical column of a cohort of your own."""

    name: str
    source: Annotated[str, Key("the column's name in the table, where it differs")] = ""
    kind: Annotated[str, Key("what its values are", choices=("number", "category"))] = "number"
    unit: Annotated[str, Key("unit of a number: kg, cm, mmHg, years ...")] = ""
    low: Annotated[float, Key("lowest plausible number; what lies below counts as missing")] = -math.inf
    high: Annotated[float, Key("highest plausible number; what lies above counts as missing")] = math.inf
    categories: Annotated[tuple[str, ...], Key("names of the categories, in order")] = ()
    codes: Annotated[Mapping[str, str], Key("how the table writes them: { 1 = 'female' }")] = field(
        default_factory=dict
    )
    ordered: Annotated[bool, Key("whether the order of the categories means something")] = False
    may_be_missing: Annotated[bool, Key("whether a patient may come without it")] = True
    description: Annotated[str, Key("one line for the report")] = ""

    @property
    def table_column(self) -> str:
        """The column's name in the table."""
        return self.source or self.name

    def spec(self) -> ColumnSpec:
        """The column of the clinical schema, and where it stands in the table."""
        kind: Literal["number", "category"] = "category" if self.kind == "category" else "number"
        column = Column(
            self.name,
            kind,
            self.unit,
            self.low,
            self.high,
            self.categories,
            self.codes,
            self.ordered,
            self.may_be_missing,
            self.description,
        )
        return ColumnSpec(column, self.source)


@dataclass(frozen=True)
class TaskPlan:
    """One question. A published data set brings kind, labels and columns; your own needs them here."""

    name: str
    outcome: Annotated[str, Key("the data set's name of the outcome, where it differs from the task's")] = ""
    alignment: Annotated[
        Alignment,
        Key("how ECG and row came together", choices=("matched", "covariate", "latent")),
    ] = "matched"
    modalities: Annotated[
        tuple[Modality, ...], Key("what it may use; left out: all there is", choices=("ecg", "row"))
    ] = ()
    kind: Annotated[
        str,
        Key(
            "two exclusive labels, any number, or an event that comes at a time",
            choices=("binary", "multi_label", "survival"),
        ),
    ] = ""
    labels: Annotated[
        tuple[str, ...], Key("binary: the absent one first; multi_label: all of them; survival: the event")
    ] = ()
    column: Annotated[str, Key("binary: the table's column with the outcome; survival: with the event")] = ""
    time: Annotated[str, Key("survival: the table's column with the time observed")] = ""
    time_unit: Annotated[str, Key("survival: the unit of that time", choices=("years", "months", "days"))] = (
        "years"
    )
    horizon: Annotated[float, Key("survival: the years at which the risk is asked for", low=0.0)] = 0.0
    columns: Annotated[tuple[str, ...], Key("multi_label: the table's column of each label")] = ()
    present: Annotated[tuple[str, ...], Key("how the table writes that it is present")] = TaskSpec.present
    absent: Annotated[tuple[str, ...], Key("how the table writes that it is absent")] = TaskSpec.absent
    question: Annotated[str, Key("the question in words, for the report")] = ""

    @property
    def outcome_name(self) -> str:
        """What the data set calls the outcome."""
        return self.outcome or self.name

    @property
    def outcome_columns(self) -> tuple[str, ...]:
        """The table's columns that hold the answer, one a target."""
        return self.columns or tuple(name for name in (self.time, self.column) if name)

    def spec(self) -> TaskSpec:
        """How a cohort of one's own answers it."""
        kinds: Mapping[str, TaskKind] = {"binary": "binary", "survival": "survival"}
        return TaskSpec(
            kinds.get(self.kind, "multi_label"),
            self.labels,
            self.outcome_columns,
            self.present,
            self.absent,
            self.modalities,
            self.alignment,
            self.question,
            self.horizon or None,
            self.time_unit,
        )

    def applied(self, task: Task) -> Task:
        """A data set's own task under this plan's name, alignment, modalities and question."""
        return replace(
            task,
            name=self.name,
            alignment=self.alignment,
            modalities=self.modalities or task.modalities,
            question=self.question or task.question,
            horizon=self.horizon or task.horizon,
        )


@dataclass(frozen=True)
class Corpus:
    """ECGs without labels, for the encoder only."""

    dataset: Annotated[str, Key('a published data set, or "folder": any folder of ECGs', choices=CORPORA)]
    path: Annotated[str, Key("its folder, from this file")] = ""


@dataclass(frozen=True)
class Pretrain:
    """The ECG encoder (TMAE): the shipped one as it is, or one taught for this study, without labels."""

    epochs: Annotated[
        int | None,
        Key("rounds over all ECGs; left out: the shipped encoder, no pretraining", low=1, high=10_000),
    ] = None
    virtual: Annotated[int, Key("virtual ECGs whose causes it learns to name", low=0, high=1_000_000)] = 8000
    mask: Annotated[float, Key("share of lead-time patches hidden", above=0.0, below=1.0)] = 0.75
    batch: Annotated[int, Key("ECGs of each kind, real and virtual, in one step", low=2, high=4096)] = 32
    learning_rate: Annotated[float, Key("peak step size of AdamW", above=0.0, high=1.0)] = 0.002
    corpora: Annotated[tuple[Corpus, ...], Key("further ECGs without labels")] = ()

    @property
    def shipped(self) -> bool:
        """Whether the package's own encoder is used."""
        return self.epochs is None


@dataclass(frozen=True)
class Split:
    """Who teaches, who calibrates, who tests: always whole patients. Folds of the data set, or shares."""

    train: Annotated[tuple[int, ...] | float, Key("fold numbers, or a share of the patients")] = 0.6
    calibrate: Annotated[tuple[int, ...] | float, Key("fold numbers or share; never used to train")] = 0.25
    test: Annotated[tuple[int, ...] | float, Key("fold numbers or share; looked at once, at the end")] = 0.15
    early_stopping: Annotated[
        float, Key("share of the training patients that says when to stop", above=0.0, high=0.5)
    ] = 0.15
    probability: Annotated[
        float,
        Key("share of calibration patients for probabilities, the rest for sets", above=0.0, below=1.0),
    ] = 0.25

    @property
    def folds(self) -> bool:
        """Whether the data set's own folds are used."""
        return isinstance(self.train, tuple)


@dataclass(frozen=True)
class Booster:
    """The table's model (LightGBM with GOSS). What is left out keeps the engine's own choice."""

    rounds: Annotated[int | None, Key("most trees; early stopping takes fewer", low=1, high=100_000)] = None
    learning_rate: Annotated[float | None, Key("weight of one tree", above=0.0, high=1.0)] = None
    leaves: Annotated[int | None, Key("leaves of one tree", low=2, high=4096)] = None
    monotone: Annotated[
        bool, Key("binary tasks: risk never falls as age, systolic pressure ... rise (tabular/monotone.py)")
    ] = False
    tuning: Annotated[
        int, Key("settings tried inside the training patients; 0: the engine's rule", low=0, high=1000)
    ] = 0
    cross_validation: Annotated[int, Key("folds of the cross-validation by patient", low=2, high=50)] = 5

    @property
    def budget(self) -> Budget:
        """Of the search for better settings."""
        return Budget(self.tuning)

    def recipe(self, schema: ClinicalSchema, binary: bool) -> Recipe:
        """What departs from the engine's rule. Of several labels one may name health: no directions."""
        given = {"learning_rate": self.learning_rate, "num_leaves": self.leaves}
        return Recipe(
            {name: value for name, value in given.items() if value is not None},
            sure_directions(schema) if self.monotone and binary else {},
            self.rounds or MAX_TREES,
        )


@dataclass(frozen=True)
class Cmaf:
    """The fusion of ECG and row by attention in both directions (CMAF)."""

    epochs: Annotated[int, Key("most rounds over the training patients", low=1, high=10_000)] = 40
    fine_tune: Annotated[
        int,
        Key(
            "matched: rounds in which the encoder first learns the training patients' labels; 0: frozen",
            low=0,
        ),
    ] = 0
    width: Annotated[int, Key("size of a token; a multiple of 4", low=8, high=256)] = 32
    modality_dropout: Annotated[
        float, Key("how often ECG or row is hidden while it learns", low=0.0, below=1.0)
    ] = 0.5
    batch: Annotated[int, Key("patients in one step", low=2, high=16_384)] = 64
    learning_rate: Annotated[float, Key("peak step size of AdamW", above=0.0, high=1.0)] = 0.002


@dataclass(frozen=True)
class Conformal:
    """Prediction sets with a guarantee."""

    coverage: Annotated[
        float, Key("promised share of patients whose truth is in the set", low=0.5, below=1.0)
    ] = 0.9


@dataclass(frozen=True)
class Phenotypes:
    """Groups of alike patients (UMAP + HDBSCAN), and whether they are real."""

    bootstraps: Annotated[int, Key("resamples that must find the same groups", low=2, high=10_000)] = 20
    min_cluster_size: Annotated[
        int | None, Key("smallest group; left out: follows from the number of patients", low=2)
    ] = None
    dimensions: Annotated[int, Key("dimensions in which groups are sought; never 2", low=3, high=100)] = 10


@dataclass(frozen=True)
class Evaluation:
    """How sure the figures are."""

    bootstraps: Annotated[int, Key("resamples of patients behind every interval", low=20, high=100_000)] = (
        1000
    )
    label_shuffles: Annotated[
        int, Key("networks taught with outcomes of other patients, which must learn nothing; 0: none", low=0)
    ] = 20
