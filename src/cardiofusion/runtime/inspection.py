"""What a path holds: an ECG file or a bundle, as plain facts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cardiofusion.bundle import read_bundle
from cardiofusion.readers import read_recording
from cardiofusion.records import InputError, Measurements
from cardiofusion.signal import Examined, examine

DIGITS = {"mV": 3}  # after the point, of what was measured
DEFLECTIONS = ("p", "q", "r", "s", "r_prime", "st", "t")


def describe(path: Path) -> dict[str, Any]:
    """{"what": "ecg" or "bundle", ...}. Raises RecordingError, BundleError, InputError."""
    if not path.is_dir():
        return describe_examined(examine(read_recording(path)))
    if any((path / name).exists() for name in ("manifest.json", "manifest.sha256")):
        return _bundle(path)
    raise InputError(
        "inspect.folder", f"{path.name} is a folder but no bundle", "name an ECG file or a bundle"
    )


def describe_text(found: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        f"{name.replace('_', ' ')}: {_words(value)}"
        for name, value in found.items()
        if value not in (None, [], {})
    ]
    return "\n".join(lines)


def describe_examined(examined: Examined) -> dict[str, Any]:
    """The same of an ECG that has been read and examined."""
    recording, quality = examined.recording, examined.quality
    measured = examined.measurements or Measurements()
    return {
        "what": "ecg",
        "record_id": recording.record_id,
        "source": recording.source,
        "leads": list(recording.leads),
        "sampling_rate": recording.sampling_rate,
        "seconds": round(recording.duration, 3),
        "unit": "mV" if recording.calibrated else "not calibrated",
        "patient_id": recording.patient_id,
        "age": recording.age,
        "sex": recording.sex,
        "time": recording.time.isoformat() if recording.time else None,
        "unverified": list(recording.unverified),
        "quality": quality.grade,
        "heart_rate": None if quality.heart_rate is None else round(quality.heart_rate, 1),
        "findings": [asdict(finding) for finding in quality.findings],
        **{name: found for name, found in asdict(measured).items() if name not in ("device", "from_leads")},
        "measured_in": list(measured.from_leads),
        "measured_by_device": dict(recording.measured),
        "notes": dict(recording.notes),
    }


def _bundle(path: Path) -> dict[str, Any]:
    bundle = read_bundle(path)
    manifest = bundle.manifest.to_json()
    return {
        "what": "bundle",
        "name": manifest["name"],
        "hash": bundle.hash,
        "verified": f"{len(bundle.names)} files match their SHA-256",
        "created": manifest["created"],
        "cardiofusion": manifest["cardiofusion"],
        "tasks": [
            {k: task[k] for k in ("name", "kind", "labels", "modalities", "alignment")}
            for task in manifest["tasks"]
        ],
        "columns": [column["name"] for column in manifest["schema"]["columns"]] if manifest["schema"] else [],
        "training_data": manifest["training_data"],
        "split": manifest["split"],
        "parameters": manifest["parameters"],
        "tree_leaves": manifest["tree_leaves"],
        "metrics": manifest["metrics"],
        "files": {name: record["sha256"] for name, record in manifest["files"].items()},
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"\n  {name}: {_short(entry)}" for name, entry in value.items())
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "".join(f"\n  {_short(entry)}" for entry in value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _short(entry: Any) -> str:
    if isinstance(entry, float):
        return f"{_rounded(entry, 3):g}"
    if not isinstance(entry, dict):
        return str(entry)
    if set(entry) == {"value", "unit", "spread", "confidence", "n"}:
        value, spread = (
            f"{_rounded(entry[key], DIGITS.get(entry['unit'], 0)):g}" for key in ("value", "spread")
        )
        return f"{value} {entry['unit']} ± {spread}, confidence {entry['confidence']:.2f}, n = {entry['n']}"
    if set(entry) == {"value", "low", "high", "n", "data"}:
        numbers = [entry[key] for key in ("value", "low", "high")]
        shown = ["-" if number is None else f"{number:.3f}" for number in numbers]
        return f"{shown[0]} [{shown[1]} to {shown[2]}], n = {entry['n']:,}, {entry['data']}"
    if set(entry) == {"code", "severity", "message", "lead", "leads"}:
        return f"{entry['severity']}: {entry['message']}"
    if set(entry) <= set(DEFLECTIONS):
        return ", ".join(f"{name} {_rounded(one['value'], 2):+.2f}" for name, one in entry.items()) + " mV"
    return "; ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else _short(value)}"
        for name, value in entry.items()
        if value not in ("", None, [], False)
    )


def _rounded(value: float, digits: int) -> float:
    """Never -0."""
    return round(value, digits) + 0.0
