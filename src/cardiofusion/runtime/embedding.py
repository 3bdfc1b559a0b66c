"""Embedding many ECGs: one bad record never stops the rest, and a stopped run goes on where it was."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import InputError, RecordingError, RecordingSource, write_bytes, write_text
from cardiofusion.runtime.models import Encoder
from cardiofusion.signal import CanonicalECG, assess_quality, canonical

BATCH = 32
SAVE_SECONDS = 10.0


def embed_to_file(
    encoder: Encoder,
    sources: Sequence[RecordingSource],
    out: Path,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[int, int]:
    """Write `out` (.npz: ids, embedding [n, d], quality) in the order of `sources`; (embedded, refused).

    What cannot be read, or is unfit, is listed with its reason in `OUT.errors.csv`. Interrupted, it keeps
    `OUT.partial` and goes on from there. Raises InputError without any ECG, StorageError.
    """
    if not sources:
        raise InputError("input.nothing", "there is no ECG to embed", "name a folder that holds some")
    run = _Run(_mark(encoder, sources), out.with_name(f"{out.name}.partial"))
    saved = time.monotonic()
    try:
        while run.done < len(sources):
            run.add(encoder, sources[run.done : run.done + BATCH])
            if on_step:
                on_step(run.done, len(sources))
            if time.monotonic() - saved > SAVE_SECONDS:
                run.save()
                saved = time.monotonic()
    except KeyboardInterrupt:
        run.save()
        raise
    write_bytes(out, _npz(run.ids, run.embedding, run.quality))
    write_text(out.with_name(f"{out.name}.errors.csv"), _csv(run.errors))
    run.partial.unlink(missing_ok=True)
    return len(run.ids), len(run.errors)


class _Run:
    """What is done so far; `errors` are (record, code, reason)."""

    def __init__(self, mark: str, partial: Path) -> None:
        self.mark, self.partial, self.done = mark, partial, 0
        self.ids: list[str] = []
        self.quality: list[str] = []
        self.embedding: list[NDArray[np.float32]] = []
        self.errors: list[tuple[str, str, str]] = []
        self._resume()

    def add(self, encoder: Encoder, sources: Sequence[RecordingSource]) -> None:
        """Read and embed a portion of the sources, and write what came of each to disk."""
        ids, quality, ecgs = list[str](), list[str](), list[CanonicalECG]()
        errors: list[tuple[str, str, str]] = []
        for source in sources:
            try:
                grade, ecg = _read(source)
            except RecordingError as error:
                errors.append((source.record_id, error.code, error.message))
                continue
            ids.append(source.record_id)
            quality.append(grade)
            ecgs.append(ecg)
        embedding = list(encoder.embed(ecgs)) if ecgs else []
        # Only now, all together: Ctrl-C while reading must not leave ids without their embeddings.
        self.ids += ids
        self.quality += quality
        self.embedding += embedding
        self.errors += errors
        self.done += len(sources)

    def save(self) -> None:
        state = json.dumps({"mark": self.mark, "done": self.done, "errors": self.errors})
        write_bytes(self.partial, _npz(self.ids, self.embedding, self.quality, state=np.array(state)))

    def _resume(self) -> None:
        try:
            with self.partial.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                state = json.loads(str(arrays["state"]))
                if state["mark"] != self.mark:
                    return
                self.ids, self.quality = arrays["ids"].tolist(), arrays["quality"].tolist()
                self.embedding = list(arrays["embedding"])
                self.errors = [(str(a), str(b), str(c)) for a, b, c in state["errors"]]
                self.done = int(state["done"])
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return  # nothing to go on from


def _read(source: RecordingSource) -> tuple[str, CanonicalECG]:
    """Grade and canonical form. Raises RecordingError for an ECG that cannot be read or is unfit."""
    recording = source.read()
    quality = assess_quality(recording)
    if quality.grade == "unfit":
        worst = next(f for f in quality.findings if f.severity == "unfit")
        raise RecordingError(f"quality.{worst.code}", worst.message, "record it again")
    return quality.grade, canonical(recording)


def _mark(encoder: Encoder, sources: Sequence[RecordingSource]) -> str:
    names = "\n".join([encoder.hash, *(source.record_id for source in sources)])
    return hashlib.sha256(names.encode("utf-8", "replace")).hexdigest()


def _npz(
    ids: list[str], embedding: list[NDArray[np.float32]], quality: list[str], **more: NDArray[np.str_]
) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        ids=np.array(ids, dtype=np.str_),
        embedding=np.array(embedding, dtype=np.float32),
        quality=np.array(quality, dtype=np.str_),
        **more,  # type: ignore[arg-type]
    )
    return buffer.getvalue()


def _csv(errors: list[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("record", "code", "reason"))
    writer.writerows(errors)
    return text.getvalue()
