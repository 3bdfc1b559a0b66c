"""The bundle: a trained system on disk, written whole, verified before anything in it is parsed."""

from cardiofusion.bundle.finding import SHIPPED, find_bundle, shipped_folder
from cardiofusion.bundle.manifest import (
    FORMAT_VERSION,
    Canonical,
    FileRecord,
    Manifest,
    TrainingData,
    manifest_schema,
)
from cardiofusion.bundle.migration import MIGRATIONS, migrate
from cardiofusion.bundle.reading import Bundle, read_bundle
from cardiofusion.bundle.schema_json import (
    schema_from_json,
    schema_to_json,
    task_from_json,
    task_to_json,
    task_views,
)
from cardiofusion.bundle.writing import write_bundle

__all__ = [
    "FORMAT_VERSION",
    "MIGRATIONS",
    "SHIPPED",
    "Bundle",
    "Canonical",
    "FileRecord",
    "Manifest",
    "TrainingData",
    "find_bundle",
    "manifest_schema",
    "migrate",
    "read_bundle",
    "schema_from_json",
    "schema_to_json",
    "shipped_folder",
    "task_from_json",
    "task_to_json",
    "task_views",
    "write_bundle",
]
