"""How fast the encoder's ONNX graph is by itself, and whether smaller numbers make it faster at equal worth.

Run: python benchmarks/encoder_speed.py [ENCODER.safetensors] [--write docs/encoder-log.md]. The shipped
encoder, or the one of a bundle. Canonical ECG (12 leads, 10 s) to tokens and embedding, as 32-bit floats, as
16-bit floats and with 8-bit weights: milliseconds on one thread, also as a ratio to latency.py's yardstick in
the same rounds; largest difference to torch; ECGs a second on two cores; peak memory of a process that does
only this; the linear probe's macro AUC on PTB-XL with the paired difference to 32 bits; and which operations
take the time. --write puts the tables between the markers of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from cardiofusion.cmaf.model import ecg_tokens
from cardiofusion.export import encoder_graph
from cardiofusion.metrics import percentile_interval
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.tmae import TMAE, pretrained
from features import Dataset, trained
from latency import PAUSE_S, ROUNDS, milliseconds, together, yardstick
from markers import arguments, write_between
from probing import Labels, Scored, out_of_fold, score

Float = NDArray[np.float32]
Graphs = dict[str, bytes]

RUNS = 300
TOLERANCE = 1e-5  # of the graph to torch, relative to the largest value
CORES, BATCHES, THROUGHPUT_ECGS, THROUGHPUT_ROUNDS = 2, (1, 4, 16, 64), 256, 3
COMPARED = 32  # ECGs compared with torch
PROBE_BATCH = 16
MAX_LOSS = 0.002  # macro AUC that a faster variant may cost
SHOWN = 8
# A process that does nothing else. VmHWM and not getrusage: the latter starts from what the parent held.
ALONE = """
import sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
batch = int(sys.argv[2])
signal = np.random.default_rng(0).standard_normal((batch, 12, int(sys.argv[3])), np.float32)
for _ in range(3 if batch else 0):
    session.run(None, {"signal": signal, "present": np.ones((batch, 12), bool)})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


# --- the graph in fewer bits --------------------------------------------------------------------------------


def graphs(model: TMAE) -> Graphs:
    whole = encoder_graph(model)
    return {"fp32": whole, "fp16": half(whole), "int8": eight_bits(whole)}


def bare(content: bytes) -> Any:
    """The graph without the exporter's notes on inner shapes, which both converters stumble over."""
    graph = onnx.load_from_string(content)
    del graph.graph.value_info[:]
    return graph


def half(content: bytes) -> bytes:
    return bytes(convert_float_to_float16(bare(content), keep_io_types=True).SerializeToString())


def eight_bits(content: bytes) -> bytes:
    """Weights of linear layers in 8 bits, a scale a column; their inputs get a scale while they run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        kinds = ["MatMul", "Gemm"]
        quantize_dynamic(
            bare(content), path, op_types_to_quantize=kinds, per_channel=True, weight_type=QuantType.QInt8
        )
        return path.read_bytes()


# --- what is measured ---------------------------------------------------------------------------------------


def session(content: bytes, profile: str = "") -> Any:
    """One thread, as the runtime has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling, options.profile_file_prefix = bool(profile), profile
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feed(ecgs: EcgSet, at: int, n: int) -> dict[str, NDArray[Any]]:
    return {"signal": ecgs.signal[at : at + n], "present": ecgs.present[at : at + n]}


def latencies(made: Graphs, ecgs: EcgSet) -> dict[str, dict[str, float]]:
    """Of one ECG, all graphs and the yardstick in turn, round for round."""
    one = feed(ecgs, 0, 1)
    works: dict[str, Any] = {name: partial(session(content).run, None, one) for name, content in made.items()}
    works["yardstick"] = yardstick()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            rounds[name].append(milliseconds(work, RUNS))
        time.sleep(PAUSE_S)
    found = {name: together(measured) for name, measured in rounds.items()}
    for name, measured in rounds.items():
        pairs = zip(measured, rounds["yardstick"], strict=True)
        found[name]["ratio"] = float(np.median([a["p50_ms"] / b["p50_ms"] for a, b in pairs]))
    return found


def difference(content: bytes, model: TMAE, ecgs: EcgSet) -> float:
    """The largest difference to torch over the largest value, every third ECG without half of its leads."""
    given = feed(ecgs, 0, COMPARED)
    given["present"] = given["present"].copy()
    given["present"][::3, 6:] = False
    given["signal"] = given["signal"] * given["present"][..., None]
    signal, present = torch.from_numpy(given["signal"]), torch.from_numpy(given["present"])
    with torch.no_grad():
        tokens = ecg_tokens(model, model.encoder(signal, present), present)
        truth = tokens.numpy(), model.embed(signal, present).numpy()
    ours = session(content).run(None, given)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours, truth, strict=True))


def throughput(content: bytes, ecgs: EcgSet, batch: int) -> float:
    """ECGs a second, one worker a core; the best round, since others use the machine too."""
    run, best = session(content).run, 0.0
    parts = [feed(ecgs, at, batch) for at in range(0, THROUGHPUT_ECGS, batch)]
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(THROUGHPUT_ROUNDS):
            started = time.perf_counter()
            list(pool.map(lambda part: run(None, part), parts))
            best = max(best, THROUGHPUT_ECGS / (time.perf_counter() - started))
    return best


def peak_memory(content: bytes, batch: int, samples: int) -> int:
    """MiB at most in a fresh process; batch 0: of the loaded graph alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(content)
        command = [sys.executable, "-c", ALONE, str(path), str(batch), str(samples)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return round(int(printed) / 1024)


def operations(content: bytes, ecgs: EcgSet) -> list[tuple[str, int, float]]:
    """(operation, how many of it, share of the time), longest first, by ONNX Runtime's own profiler."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(content, str(Path(folder) / "profile"))
        for _ in range(RUNS):
            profiled.run(None, feed(ecgs, 0, 1))
        events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    spent: Counter[str] = Counter()
    nodes: dict[str, set[str]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
            nodes.setdefault(event["args"]["op_name"], set()).add(event["name"])
    total = spent.total()
    return [(name, len(nodes[name]), duration / total) for name, duration in spent.most_common()]


def probes(made: Graphs, data: Dataset) -> dict[str, Scored]:
    task = data.cohort.tasks[0]
    labels = Labels.dealt(task.targets, data.cohort.outcomes[task.name], data.patients)
    return score(labels, {name: out_of_fold(embedded(made[name], data.ecgs), labels) for name in made})


def embedded(content: bytes, ecgs: EcgSet) -> Float:
    run = session(content).run
    parts = [run(["embedding"], feed(ecgs, at, PROBE_BATCH))[0] for at in range(0, len(ecgs), PROBE_BATCH)]
    return np.concatenate(parts)


def frame_ms(model: TMAE) -> float:
    """What one frame of a lead's Grad-CAM map covers."""
    return 10_000.0 / model.config.n_frames


# --- tables -------------------------------------------------------------------------------------------------


def measure(model: TMAE, data: Dataset) -> dict[str, Any]:
    made, ecgs, samples = graphs(model), data.ecgs, model.config.samples
    timed, scored = latencies(made, ecgs), probes(made, data)
    variants = {}
    for name, content in made.items():
        variants[name] = timed[name] | {
            "difference": difference(content, model, ecgs),
            "kib": len(content) // 1024,
            "ecgs_a_second": {b: round(throughput(content, ecgs, b)) for b in BATCHES},
            "peak_mib": {b: peak_memory(content, b, samples) for b in (0, 1, max(BATCHES))},
        }
        variants[name] |= worth(scored[name], scored["fp32"])
        gain = timed["fp32"]["ratio"] - timed[name]["ratio"]
        variants[name]["keep"] = name == "fp32" or (gain > 0 and variants[name]["gap"][0] >= -MAX_LOSS)
    assert variants["fp32"]["difference"] <= TOLERANCE
    return {
        "benchmark": "encoder_speed",
        "threads": 1,
        "n": len(ecgs),
        "frame_ms": frame_ms(model),
        "yardstick": timed["yardstick"],
        "variants": variants,
        "operations": operations(made["fp32"], ecgs),
    }


def worth(found: Scored, whole: Scored) -> dict[str, Any]:
    """Macro AUC and its paired gap to 32 bits, each with its interval."""
    low, high = percentile_interval(found.drawn)
    gap_low, gap_high = percentile_interval(found.drawn - whole.drawn)
    return {"auc": [found.value, low, high], "gap": [found.value - whole.value, gap_low, gap_high]}


def tables(found: dict[str, Any]) -> str:
    batches = " | ".join(f"{batch}" for batch in BATCHES)
    lines = [
        f"| numbers | file | p50 | p99 | ratio | off torch | ECGs a second, batch {batches} |"
        " peak memory, batch 1, 64 | macro AUC | minus fp32 | worth keeping |",
        f"|{'---|' * (10 + len(BATCHES))}",
        *(variant_row(name, one) for name, one in found["variants"].items()),
    ]
    return "\n".join([*lines, "", notes(found)])


def notes(found: dict[str, Any]) -> str:
    yard, runs = found["yardstick"]["p50_ms"], found["variants"]["fp32"]["n"]
    shares = ", ".join(f"{name} x {n} {share:.0%}" for name, n, share in found["operations"][:SHOWN])
    return (
        f"One thread, batch 1, {runs} runs in {ROUNDS} rounds (the middle round); ratio: to a yardstick of"
        f" {yard:.2f} ms in the same rounds. Throughput: {CORES} workers of one thread. AUC: linear probe,"
        f" PTB-XL n = {found['n']}. A frame of a lead's Grad-CAM map is {found['frame_ms']:g} ms.\n\n"
        f"Where the time of fp32 goes, by ONNX Runtime's profiler: {shares}."
    )


def variant_row(name: str, one: dict[str, Any]) -> str:
    speeds = " | ".join(f"{one['ecgs_a_second'][batch]}" for batch in BATCHES)
    loaded, single, many = one["peak_mib"].values()
    auc, gap = one["auc"], one["gap"]
    return (
        f"| {name} | {one['kib']:,} KiB | {one['p50_ms']:.2f} ms | {one['p99_ms']:.2f} ms |"
        f" {one['ratio']:.2f} | {one['difference']:.0e} | {speeds} |"
        f" {single}, {many} MiB ({loaded} when loaded) | {auc[0]:.4f} [{auc[1]:.3f}-{auc[2]:.3f}] |"
        f" {gap[0]:+.4f} [{gap[1]:+.4f} to {gap[2]:+.4f}] | {'yes' if one['keep'] else 'no'} |"
    )


def main() -> None:
    paths, target = arguments(sys.argv[1:])
    found = measure(trained(paths[0]) if paths else pretrained(), Dataset.read("ptb-xl"))
    content = tables(found)
    print(content)
    if target:
        write_between(target, "encoder_speed", content)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
