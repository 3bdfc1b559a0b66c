"""The error tree. Everything CardioFusion raises on purpose is one of these.

    CardioFusionError
    ├── InputError              what the user gave cannot be used
    │   ├── RecordingError        an ECG file or signal
    │   ├── ClinicalError         a clinical value, unit or column
    │   ├── DatasetError          a data set or table on disk
    │   └── StudyError            a study file
    ├── CalibrationError        too little data for the promise that was asked for
    ├── BundleError             a bundle that cannot be trusted or understood
    ├── ExtraMissingError       a feature whose optional packages are not installed
    ├── ExportError             the ONNX export cannot run on this machine
    ├── FetchError              a server that does not give what was asked for
    ├── StorageError            the disk refused (full, read-only, gone)
    └── AccessError             who asks may not do this, or not now

`code` is stable and machine-readable ("recording.truncated"), `message` says what is wrong in one
line, `hint` says what to do about it. The command line prints both and exits with 2.
"""

from __future__ import annotations


class CardioFusionError(Exception):
    """Base of all our errors: a stable `code`, a one-line `message` and a `hint`."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message} ({hint})")
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[CardioFusionError], tuple[str, str, str]]:
        return type(self), (self.code, self.message, self.hint)


class InputError(CardioFusionError):
    """What the user gave cannot be used."""


class RecordingError(InputError):
    """An ECG file or signal that cannot be read as millivolts, rate and lead names."""


class ClinicalError(InputError):
    """A clinical value, unit or column that the schema does not allow."""


class DatasetError(InputError):
    """A data set, folder or table that is not what it should be."""


class StudyError(InputError):
    """A study file with a mistake in it."""


class CalibrationError(CardioFusionError):
    """Too few calibration patients for the promised level."""


class BundleError(CardioFusionError):
    """A bundle that is damaged, tampered with, or from a newer format."""


class ExtraMissingError(CardioFusionError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            "extra.missing",
            f"{feature} needs packages that are not installed",
            f"pip install 'cardiofusion[{extra}]'",
        )
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[type[CardioFusionError], tuple[str, ...]]:  # type: ignore[override]
        return type(self), (self.feature, self.extra)


class ExportError(CardioFusionError):
    """The ONNX export cannot run on this machine; the training it follows is kept."""


class FetchError(CardioFusionError):
    """A server that cannot be reached, or that gives something else than what its publisher released."""


class StorageError(CardioFusionError):
    """The disk refused: full, read-only or gone."""


class AccessError(CardioFusionError):
    """Who asks a server may not do this, or not now."""


def innermost(error: BaseException) -> str:
    """File and line where it was raised: of a fault, what may stand in a log that knows no patient."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
