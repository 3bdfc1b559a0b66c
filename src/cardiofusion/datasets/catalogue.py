"""The published data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cardiofusion.datasets.cardio70k import load_cardio70k
from cardiofusion.datasets.code15 import load_code15
from cardiofusion.datasets.heart_failure import load_heart_failure
from cardiofusion.datasets.mimic import load_mimic_demo
from cardiofusion.datasets.music import load_music
from cardiofusion.datasets.nhanes1 import load_nhanes1
from cardiofusion.datasets.ptbxl import load_ptbxl
from cardiofusion.datasets.table import nearest
from cardiofusion.datasets.uci_heart import load_uci_heart
from cardiofusion.records import Cohort, DatasetError

DATASETS: Mapping[str, Callable[[Path], Cohort]] = {
    "ptb-xl": load_ptbxl,
    "code15": load_code15,
    "cardio70k": load_cardio70k,
    "nhanes1": load_nhanes1,
    "music": load_music,
    "uci-heart": load_uci_heart,
    "heart-failure": load_heart_failure,
    "mimic-iv-demo-meds": load_mimic_demo,
}


def load_dataset(name: str, folder: Path | str) -> Cohort:
    """A published data set from its folder. Raises DatasetError for an unknown name or a wrong folder."""
    if name not in DATASETS:
        raise DatasetError(
            "dataset.name",
            f"no data set is called {name!r}",
            nearest(name, tuple(DATASETS)),
        )
    return DATASETS[name](Path(folder))
