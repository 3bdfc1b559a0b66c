"""Published data sets, and a user's own folder and table, as a `Cohort`. Nothing is dropped in silence."""

from cardiofusion.datasets.cardio70k import load_cardio70k
from cardiofusion.datasets.catalogue import DATASETS, load_dataset
from cardiofusion.datasets.code15 import load_code15
from cardiofusion.datasets.fetch import RELEASES, Fetched, fetch_dataset
from cardiofusion.datasets.folder import ColumnSpec, FolderSpec, TaskSpec, load_folder
from cardiofusion.datasets.heart_failure import load_heart_failure
from cardiofusion.datasets.look import ColumnLook, TableLook, look
from cardiofusion.datasets.mimic import load_mimic_demo
from cardiofusion.datasets.music import load_music
from cardiofusion.datasets.nhanes1 import load_nhanes1
from cardiofusion.datasets.ptbxl import load_ptbxl
from cardiofusion.datasets.uci_heart import load_uci_heart

__all__ = [
    "DATASETS",
    "RELEASES",
    "ColumnLook",
    "ColumnSpec",
    "Fetched",
    "FolderSpec",
    "TableLook",
    "TaskSpec",
    "fetch_dataset",
    "load_cardio70k",
    "load_code15",
    "load_dataset",
    "load_folder",
    "load_heart_failure",
    "load_mimic_demo",
    "load_music",
    "load_nhanes1",
    "load_ptbxl",
    "load_uci_heart",
    "look",
]
