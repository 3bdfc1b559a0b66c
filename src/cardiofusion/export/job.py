"""All graphs of a bundle, made in a process of its own.

Torch's exporter traces one operation after another in Python: a minute on one core, during which the other
can do something else. The job is handed over as JSON; weights are read from safetensors files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from safetensors.torch import load_file

from cardiofusion.cmaf import CMAF, CMAFConfig
from cardiofusion.export.graphs import encoder_graph, fusion_graph, gradient_graph, slope_graph
from cardiofusion.records import CardioFusionError, ExportError, write_bytes
from cardiofusion.tmae import TMAE, TMAEConfig

REFUSED = 2
POLL = 1.0  # seconds


@dataclass(frozen=True)
class FusionWeights:
    """A trained CMAF on disk. edges: bin edges a feature."""

    weights: str
    config: CMAFConfig
    edges: Sequence[Sequence[float]]


@dataclass(frozen=True)
class ExportJob:
    """The trained networks (a TMAE and a CMAF a task), and the folder that takes their graphs.

    Made are encoder.onnx and gradient.onnx, and for each task cmaf-<task>.onnx and slope-<task>.onnx.
    """

    encoder: str
    encoder_config: TMAEConfig
    fusions: Mapping[str, FusionWeights]
    out: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ExportJob:
        """The job that `to_json` wrote."""
        found: dict[str, Any] = json.loads(text)
        fusions = {
            task: FusionWeights(part["weights"], CMAFConfig(**part["config"]), part["edges"])
            for task, part in found["fusions"].items()
        }
        config = found["encoder_config"]
        config["findings"] = tuple(map(tuple, config["findings"]))  # JSON has lists only
        return cls(found["encoder"], TMAEConfig(**config), fusions, found["out"])

    @property
    def names(self) -> list[str]:
        graphs = [f"{kind}-{task}.onnx" for task in self.fusions for kind in ("cmaf", "slope")]
        return ["encoder.onnx", "gradient.onnx", *graphs]

    def run(self) -> None:
        """Make the graphs in this process. Raises ExportError and StorageError."""
        out = Path(self.out)
        model = TMAE(self.encoder_config)
        model.load_state_dict(load_file(self.encoder))
        write_bytes(out / "encoder.onnx", encoder_graph(model.eval()))
        write_bytes(out / "gradient.onnx", gradient_graph(model))
        for task, part in self.fusions.items():
            fusion = CMAF(part.config, part.edges)
            fusion.load_state_dict(load_file(part.weights))
            write_bytes(out / f"cmaf-{task}.onnx", fusion_graph(fusion.eval()))
            write_bytes(out / f"slope-{task}.onnx", slope_graph(fusion))


class Exporting:
    """A job under way in a process of its own, which ends with the `with` block at the latest."""

    def __init__(self, job: ExportJob) -> None:
        self.job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cardiofusion.export"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once: `finish` says so
            self._process.stdin.write(job.to_json())
            self._process.stdin.close()
        self._process.stdin = None

    def finish(self, on_step: Callable[[int, int], None]) -> None:
        """Wait for it. Raises what the job raised."""
        done = 0
        while True:
            try:
                said, _ = self._process.communicate(timeout=POLL)
                break
            except subprocess.TimeoutExpired:
                done = sum((Path(self.job.out) / name).exists() for name in self.job.names)
                on_step(done, len(self.job.names))
        if self._process.returncode:
            raise _error(said)
        on_step(len(self.job.names), len(self.job.names))

    def __enter__(self) -> Exporting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def _error(said: str) -> CardioFusionError:
    try:
        found = json.loads(said)
        return ExportError(found["code"], found["message"], found["hint"])
    except (ValueError, KeyError, TypeError):
        return ExportError(
            "export.failed", "the ONNX export ended early", "the trained weights are kept: run it again"
        )


def main() -> int:
    """The process: a job on standard input; the exit code. A refusal is said as JSON on standard output."""
    try:
        ExportJob.from_json(sys.stdin.read()).run()
    except CardioFusionError as error:
        print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))  # noqa: T201
        return REFUSED
    except KeyboardInterrupt:  # the whole terminal was told to stop; the parent says so
        return REFUSED
    return 0
