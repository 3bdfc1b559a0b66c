"""A bundle's models, loaded: ONNX sessions, boosters, calibrations. NumPy in, NumPy out, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiofusion.bundle import Bundle
from cardiofusion.explain import directions
from cardiofusion.records import BundleError, ClinicalSchema, Task
from cardiofusion.signal import CanonicalECG
from cardiofusion.tabular import RowModel, load_booster, risk_logit

Float = NDArray[np.float32]
EMBED_BATCH = 64  # bounds memory; larger is no faster on a laptop


class Encoded(NamedTuple):
    """tokens [n, time + 14, width] for the fusion, embedding [n, d]."""

    tokens: Float
    embedding: Float


class Sloped(NamedTuple):
    """What the slope graph of a task returns for one patient and one target (see export/graphs.py)."""

    logits: Float
    row_to_ecg: Float
    ecg_to_row: Float
    slope: Float


class AtStem(NamedTuple):
    """Stem features of one ECG, and a logit's gradient there: [12, channel, frame + window], 40 ms a frame.

    The last frames are those of the mean beat; spread [frame, window] says where in time they are from.
    Bundles made before the encoder saw a mean beat have neither.
    """

    frames: Float
    gradient: Float
    spread: Float | None = None


def onnx_session(content: bytes, name: str) -> Any:
    """An inference session on one thread: two are slower for one patient. Raises BundleError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        first = str(error).splitlines()[0][:200]
        raise BundleError(
            "bundle.onnx", f"{name} cannot be loaded: {first}", "train the bundle again"
        ) from error


class Files(Protocol):
    """Verified files by name: a bundle's, or the shipped encoder's."""

    @property
    def hash(self) -> str: ...

    def bytes(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Encoder:
    """The ECG encoder of a bundle, or the shipped one (which explains nothing: that takes a task)."""

    files: Files

    @property
    def hash(self) -> str:
        """The hash of what it came from."""
        return self.files.hash

    @cached_property
    def _session(self) -> Any:
        return onnx_session(self.files.bytes("encoder.onnx"), "encoder.onnx")

    @cached_property
    def _gradient(self) -> Any:
        return onnx_session(self.files.bytes("gradient.onnx"), "gradient.onnx")

    def embed(self, ecgs: Sequence[CanonicalECG]) -> Float:
        """Embeddings [n, d]. Raises BundleError where there is no encoder."""
        return self(np.stack([ecg.signal for ecg in ecgs]), np.stack([ecg.present for ecg in ecgs])).embedding

    def at_stem(self, signal: Float, present: NDArray[np.bool_], slope: Float) -> AtStem:
        """A canonical ECG [12, 1000], and a logit's slope along its tokens, to its stem."""
        feed = {"signal": signal[None], "present": present[None], "slope": slope}
        return AtStem(*self._gradient.run(None, feed))

    def __call__(self, signal: Float, present: NDArray[np.bool_]) -> Encoded:
        """Canonical ECGs [n, 12, 1000] and the leads present [n, 12]."""
        parts = [
            self._session.run(
                None, {"signal": signal[at : at + EMBED_BATCH], "present": present[at : at + EMBED_BATCH]}
            )
            for at in range(0, len(signal), EMBED_BATCH)
        ]
        return Encoded(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


class TaskModels:
    """The models of one task: CMAF, its slope, and a booster for each target."""

    def __init__(self, bundle: Bundle, task: Task) -> None:
        self.bundle = bundle
        self.task = task

    @cached_property
    def schema(self) -> ClinicalSchema | None:
        """The clinical columns this task looks at, in its models' order; None without any.

        Those of the bundle, or the part of them that the manifest's details name for the task.
        """
        whole = self.bundle.manifest.schema
        named = self.bundle.manifest.details.get("columns", {}).get(self.task.name)
        if whole is None or named is None:
            return whole
        return ClinicalSchema(tuple(whole[name] for name in named)) if named else None

    def own(self, row: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """This task's part of a row of the bundle's schema; None where it is empty."""
        whole = self.bundle.manifest.schema
        if row is None or whole is None or self.schema is None:
            return None
        part = row[[whole.names.index(name) for name in self.schema.names]]
        return None if np.isnan(part).all() else part

    @cached_property
    def _fusion(self) -> Any:
        return onnx_session(self.bundle.bytes(f"cmaf-{self.task.name}.onnx"), f"cmaf-{self.task.name}.onnx")

    @cached_property
    def _slope(self) -> Any:
        name = f"slope-{self.task.name}.onnx"
        return onnx_session(self.bundle.bytes(name), name)

    @cached_property
    def boosters(self) -> tuple[RowModel, ...]:
        """The trees of each target; empty where the task has no clinical row."""
        described: Mapping[str, Any] = self.bundle.json("tabular.json").get(self.task.name, {})
        names = self.schema.names if self.schema else ()
        return tuple(
            load_booster(described[target], self.bundle.text(described[target]["file"]), names)
            for target in self.task.targets
            if target in described
        )

    def fused_logits(
        self, tokens: Float | None, row: NDArray[np.float64] | None, views: Sequence[str]
    ) -> NDArray[np.float64]:
        """Logits [view, target] of CMAF, in one run; a view sees of the ECG and the row what it names.

        The outputs of a survival task are hazards: they become the one risk at its horizon.
        """
        feeds = [self._feed(tokens if "ecg" in v else None, row if "row" in v else None) for v in views]
        feed = {name: np.concatenate([one[name] for one in feeds]) for name in feeds[0]}
        logits: NDArray[np.float64] = self._fusion.run(None, feed)[0].astype(np.float64)
        return risk_logit(logits)[:, None] if self.task.kind == "survival" else logits

    def row_logits(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits [target] of the boosters."""
        return np.array([float(booster.predict_logit(row[None])[0]) for booster in self.boosters])

    def slope(self, tokens: Float, row: NDArray[np.float64] | None, target: int) -> Sloped:
        """Attention, and the slope of one target's logit along the ECG tokens [time + 14, width]."""
        outputs = next(given.shape[0] for given in self._slope.get_inputs() if given.name == "target")
        along = directions(self.task, outputs)[target]
        return Sloped(*self._slope.run(None, self._feed(tokens, row) | {"target": along}))

    def _feed(self, tokens: Float | None, row: NDArray[np.float64] | None) -> dict[str, NDArray[Any]]:
        """One patient as the graphs take it; None stands for an absent modality."""
        schema = self.schema
        # A task without a clinical row has one feature that is always absent: ONNX wants a width.
        given = np.full(len(schema) if schema else 1, np.nan) if row is None else row
        absent = np.zeros(self.bundle.manifest.details["ecg_tokens"], np.float32)
        return {
            "tokens": (absent if tokens is None else tokens)[None],
            "row": given[None].astype(np.float32),
            "has_ecg": np.array([tokens is not None]),
            "has_row": np.array([row is not None]),
        }
