"""Which ECG stands beside which clinical row: the examples a fusion learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.cmaf import NOBODY, FusionData, LatentDistribution, balance, match_covariates
from cardiofusion.records import ClinicalTable, Cohort, StudyError
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.groups import Groups

DRAWS = 1000  # latent ECGs in each group: about as many as there are real ones
SEX_COLUMNS = ("sex", "gender")


def matched_pairs(
    cohort: Cohort, ecgs: EcgSet | None, tokens: NDArray[np.float32] | None, outcome: NDArray[np.float32]
) -> FusionData:
    """ECG and row of the same visit; either may be absent."""
    n = len(cohort)
    if ecgs is None or tokens is None:
        raise StudyError(
            "study.ecgs", "this task needs ECGs and the cohort has none", "name its ECGs in [data]"
        )
    index = np.where(ecgs.usable, np.arange(n), NOBODY).astype(np.int64)
    return FusionData(tokens, index, *_rows(cohort.table, n), outcome)


def covariate_pairs(
    cohort: Cohort,
    groups: Groups,
    ecgs: EcgSet,
    ecg_groups: Groups,
    tokens: NDArray[np.float32],
    outcome: NDArray[np.float32],
    seed: int,
) -> tuple[FusionData, dict[str, Any]]:
    """Each row beside an ECG of another of its sex and age, matched inside each group; and the balance.

    Raises StudyError where the table has no age and sex to match on.
    """
    table = _table(cohort)
    age, sex = _covariate(table, ("age",)), _male(table)
    rng = np.random.default_rng([seed, 3])
    partner = np.full(len(cohort), NOBODY, dtype=np.int64)
    for (_, rows), (_, members) in zip(groups.items(), ecg_groups.items(), strict=True):
        found = match_covariates(age[rows], sex[rows], ecgs.age[members], ecgs.sex[members], rng)
        partner[rows] = np.where(found == NOBODY, NOBODY, members[np.maximum(found, 0)])
    evidence = balance({"age": age, "sex": sex}, {"age": ecgs.age, "sex": ecgs.sex}, partner)
    return FusionData(tokens, partner, *_rows(table, len(cohort)), outcome), evidence.to_json()


def latent_pairs(
    cohort: Cohort,
    groups: Groups,
    ecg_groups: Groups,
    tokens: NDArray[np.float32],
    outcome: NDArray[np.float32],
    seed: int,
) -> FusionData:
    """Each row beside a draw from the latent distribution of the training ECGs; no draw is in two groups."""
    rng = np.random.default_rng([seed, 4])
    drawn = LatentDistribution.fit(tokens[ecg_groups.train]).draw(DRAWS * len(groups.items()), rng)
    partner = np.zeros(len(cohort), dtype=np.int64)
    for k, (_, rows) in enumerate(groups.items()):
        partner[rows] = k * DRAWS + rng.integers(DRAWS, size=len(rows))
    return FusionData(drawn, partner, *_rows(_table(cohort), len(cohort)), outcome)


def _rows(table: ClinicalTable | None, n: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Rows [n, feature] and which of them hold anything; one empty feature where there is no table."""
    values = np.full((n, 1), np.nan) if table is None else table.values
    given = np.asarray(np.isfinite(values).any(axis=1), np.bool_)
    return values.astype(np.float32), given


def _table(cohort: Cohort) -> ClinicalTable:
    if cohort.table is None:
        raise StudyError("study.table", "this alignment needs clinical rows", "use alignment = 'matched'")
    return cohort.table


def _covariate(table: ClinicalTable, names: tuple[str, ...]) -> NDArray[np.float64]:
    for name in names:
        if name in table.schema.names:
            return table.values[:, table.schema.names.index(name)]
    raise StudyError(
        "study.covariates",
        f"the table has no column {' or '.join(names)} to match on",
        "covariate alignment matches on age (years) and sex (female, male)",
    )


def _male(table: ClinicalTable) -> NDArray[np.float64]:
    """Sex as 0 female, 1 male, NaN not known."""
    codes = _covariate(table, SEX_COLUMNS)
    column = table.schema[next(name for name in SEX_COLUMNS if name in table.schema.names)]
    folded = [category.casefold() for category in column.categories]
    if "male" not in folded:
        raise StudyError("study.covariates", f"{column.name} has no category male", "female and male")
    return np.where(np.isnan(codes), np.nan, codes == folded.index("male"))
