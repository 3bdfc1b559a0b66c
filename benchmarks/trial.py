"""Mutants of one format through one reader, in a process of its own: it may crash, hang or eat memory.

    python benchmarks/trial.py READER FORMAT SEEDS FIRST COUNT

prints one line of JSON a mutant. SEEDS: "small" or "full" (the virtual ECG, 3 s or 10 s) or "real" (sample
files). What comes out of a mutant is

    refused     by an error (of ours, where it is our reader)
    right       read, and as the file was before the change: rate, leads, every sample
    wrong       read, and different
    another     read; the change made it another sound file, so nothing can be said
    error       our reader raised something else, or a Recording that breaks its promises
    crash, slow, memory    the process died, took over SECONDS for it, ran out of address space

`seconds` are the processor's. A wrong one is `flagged` where the quality check warns of something that the
unchanged file does not have.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from cardiofusion.records import ExtraMissingError, RecordingError
from cardiofusion.signal import assess_quality
from ecg_readings import READERS, OtherUnitError, Reading, is_sound
from mutants import Mutant, mutant
from specimens import Specimen, real, synthetic

SECONDS = 3.0  # of the processor for one mutant, and ten times that by the clock
MEMORY_BYTES = 3 << 30  # so that the machine survives what is being counted
SMALL = (200.0, 3.0)  # Hz, s
QUIET = os.environ | {"RUST_BACKTRACE": "0"}  # to name its functions, polars maps its own file, 150 MB
ALARMS = (-signal.SIGALRM, -signal.SIGPROF)

Result = dict[str, Any]


def run(reader: str, format_name: str, seeds: str, first: int, count: int) -> Iterator[Result]:
    """The results of mutants `first` to `first + count`, whatever happens to the process that reads them."""
    number, last = first, first + count
    while number < last:
        words = [sys.executable, __file__, reader, format_name, seeds, str(number), str(last - number)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                yield json.loads(line)
                number += 1
        status = process.wait()
        if number < last:
            if status == 1:  # an error of ours: those of readers are counted
                raise RuntimeError(f"{' '.join(words[1:])} stopped")
            yield {"number": number, "outcome": "slow" if status in ALARMS else "crash", "status": status}
            number += 1


def specimens(format_name: str, seeds: str) -> list[Specimen]:
    if seeds == "real":
        return real(format_name)
    return synthetic(format_name, *SMALL) if seeds == "small" else synthetic(format_name)


def main() -> None:
    reader, format_name, seeds, first, count = sys.argv[1:]
    results = quiet()
    originals = specimens(format_name, seeds)
    readings = [READERS[reader](specimen.files) for specimen in originals]
    warned = [_warnings(reading) for reading in readings]
    baseline = limit_memory()
    for number in range(int(first), int(first) + int(count)):
        made = mutant(originals, number)
        _alarm(SECONDS)
        result = judge(reader, made, readings[made.specimen], warned[made.specimen])
        _alarm(0.0)
        result["peak_bytes"] = max(0, peak_bytes() - baseline)
        print(json.dumps(result), file=results, flush=True)


def _alarm(seconds: float) -> None:
    """End this process when they are over; 0 for not."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)


def quiet() -> TextIO:
    """Peers warn and print about what they read: the standard output as it was, and nowhere in its place."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    return results


def judge(reader: str, made: Mutant, original: Reading, warned: frozenset[str]) -> Result:
    result: Result = {"number": made.number, "kind": made.kind, "label": made.label}
    started = time.process_time()
    found: Reading | None = None
    try:
        found = READERS[reader](made.files)
    except (RecordingError, ExtraMissingError) as error:
        sound = error.code.startswith(("recording.", "extra.")) and error.hint and "\n" not in str(error)
        result |= {"outcome": "refused" if sound else "error", "code": error.code}
    except MemoryError:
        result |= {"outcome": "memory"}
    except OtherUnitError as error:
        result |= {"outcome": "refused", "code": str(error)[:40]}
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is what is being counted
        result |= {"outcome": "error" if reader == "cardiofusion" else "refused", "code": _words(error)}
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        result |= {"outcome": "error", "code": _words(error)}
    result["seconds"] = time.process_time() - started
    return result if found is None else result | _compared(made, found, original, warned)


def _compared(made: Mutant, found: Reading, original: Reading, warned: frozenset[str]) -> Result:
    recording = found.recording
    if recording is not None and not is_sound(found):
        return {"outcome": "error", "code": "a Recording that breaks its promises"}
    if found.same(original):
        return {"outcome": "right"}
    result: Result = {"outcome": "another" if made.label == "resealed" else "wrong"}
    result["differs"] = found.apart(original) or "mV"
    if recording is not None:
        result["unverified"] = list(recording.unverified)
        result["flags"] = sorted(_warnings(found) - warned)
    return result


def _warnings(reading: Reading) -> frozenset[str]:
    """Codes of what the quality check warns of."""
    if reading.recording is None:
        return frozenset()
    findings = assess_quality(reading.recording).findings
    return frozenset(finding.code for finding in findings if finding.severity != "note")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"


def peak_bytes() -> int:
    """The largest address space so far, allocations that were never touched among it."""
    import resource

    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmPeak"))
    return int(line.split()[1]) * 1024


def limit_memory() -> int:
    """Take no more than MEMORY_BYTES from now on; what is taken already."""
    import resource

    taken = peak_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    return taken


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Counts of outcomes; slowest in s; largest peak in bytes."""
    count = {
        name: sum(result["outcome"] == name for result in results)
        for name in ("refused", "right", "another", "wrong", "error", "memory", "slow", "crash")
    }
    wrong = [result for result in results if result["outcome"] == "wrong"]
    flagged = [result for result in wrong if result.get("flags")]
    return {
        "mutants": len(results),
        **count,
        "wrong_flagged": len(flagged),
        "wrong_unflagged": len(wrong) - len(flagged),
        "slowest_s": round(max((result.get("seconds", 0.0) for result in results), default=0.0), 3),
        "peak_bytes": max((result.get("peak_bytes", 0) for result in results), default=0),
    }


if __name__ == "__main__":
    main()
