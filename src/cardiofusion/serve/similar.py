"""Whose ECG of this clinic looks most like this one: neighbours among the embeddings, other patients only."""

from __future__ import annotations

import numpy as np

from cardiofusion.serve.store import Case, Store

NEIGHBOURS = 3
ENOUGH = 20  # ECGs of other patients below which the nearest one says nothing


def similar_cases(store: Store, case: Case, most: int = NEIGHBOURS) -> list[tuple[Case, float]]:
    """(case, likeness) of the nearest by cosine of embeddings; none where the clinic knows too few ECGs.

    likeness: the share of this clinic's other ECGs that lie farther away, 0 to 1.
    One case a patient, the patient's own left out. Alike means alike to the encoder, not the same disease.
    """
    mine = store.embedding(case.id)
    if mine is None:
        return []
    others = [
        (other, patient or other, embedding)
        for other, patient, embedding in store.embeddings()
        if other != case.id and patient != (case.patient_id or "") and len(embedding) == len(mine)
    ]
    if len(others) < ENOUGH:
        return []
    matrix = np.stack([embedding for _, _, embedding in others])
    cosine = matrix @ mine / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(mine) + 1e-12)
    order = np.argsort(-cosine, kind="stable")
    nearest: dict[str, tuple[Case, float]] = {}
    for rank, index in enumerate(order.tolist()):
        other, patient, _ = others[index]
        if patient not in nearest:
            nearest[patient] = store.case(other), 1 - (rank + 1) / len(others)
        if len(nearest) == most:
            break
    return list(nearest.values())
