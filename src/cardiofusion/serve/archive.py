"""The file of a backup: a plain tar (POSIX ustar) that any machine can open, read and written as a stream.

    cardiofusion-backup.json        what this is: format, version, revision of the tables, when
    originals/ab/ab12...            the files that clinics were sent, byte for byte
    tables/<name>/000001.jsonl      rows (see store/dump.py)
    manifest.json                   last: every member's size and SHA-256, rows a table, files that were lost

It is not encrypted and holds patients' data. Only regular files under these names are read, with headers of
one block: links, devices, sparse files, extensions of the format and paths that climb are refused before
anything is written; nothing in it is compressed, so it holds no more than its own length.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from cardiofusion.records import InputError, storage_errors

FORMAT = 1
HEAD = "cardiofusion-backup.json"
MANIFEST = "manifest.json"
CHUNK = 1 << 20
LARGEST_IN_MEMORY = 512 << 20  # the manifest, or a part of a table
NAME = re.compile(
    rf"{HEAD}|{MANIFEST}|originals/[0-9a-f]{{2}}/[0-9a-f]{{64}}|tables/[a-z_]+/[0-9]{{6}}\.jsonl"
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Head:
    """version: of the program that wrote it. revision: of its tables. created: ISO 8601, UTC."""

    version: str
    revision: str
    created: str
    format: int = FORMAT


@dataclass(frozen=True)
class Manifest:
    """members: name -> [size, SHA-256]. rows: table -> how many. lost: originals gone or damaged."""

    head: Head
    members: Mapping[str, tuple[int, str]]
    rows: Mapping[str, int]
    lost: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """JSON, as it stands in the file."""
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode() + b"\n"

    @property
    def sha256(self) -> str:
        """Of the manifest: it stands for the whole backup."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def described(head: Head) -> bytes:
    """The first member."""
    return json.dumps(asdict(head), indent=1).encode() + b"\n"


@dataclass
class Writing:
    """Members written one after another, and what the manifest will say of them."""

    out: IO[bytes]
    members: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """One more member. Raises OSError."""
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(content), 0o600
        self.out.write(header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
        self.out.write(content)
        self.out.write(bytes(-len(content) % tarfile.BLOCKSIZE))
        self.members[name] = (len(content), hashlib.sha256(content).hexdigest())

    def end(self) -> None:
        """Two empty blocks."""
        self.out.write(bytes(2 * tarfile.BLOCKSIZE))


@dataclass(frozen=True)
class Member:
    """A member that is being read: `chunks` gives its bytes, once."""

    name: str
    size: int
    chunks: Iterator[bytes]

    def content(self) -> bytes:
        """All of it. Raises InputError "backup.damaged" where that is too much to hold."""
        if self.size > LARGEST_IN_MEMORY:
            raise damaged("a member is larger than any we write")
        return b"".join(self.chunks)


def members(handle: IO[bytes], progress: Progress, total: int) -> Iterator[Member]:
    """The members in order; what is not read of one is passed over. Raises InputError "backup.damaged"."""
    while (header := _header(handle)) is not None:
        chunks = _chunks(handle, header.size)
        yield Member(header.name, header.size, chunks)
        for _ in chunks:
            pass
        _exactly(handle, -header.size % tarfile.BLOCKSIZE)
        progress(handle.tell(), total)
    if handle.read(1 << 16).strip(b"\0"):
        raise damaged("something follows its end")


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The file, and its size. Raises StorageError."""
    with storage_errors(path), path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(0)
        yield handle, size


def verified(path: Path, progress: Progress) -> Manifest:
    """Read a backup from its first byte to its last; its manifest, which then holds for every member.

    Raises InputError "backup.damaged", "backup.format", "backup.newer", StorageError.
    """
    found: dict[str, tuple[int, str]] = {}
    manifest: Manifest | None = None
    with opened(path) as (handle, total):
        for member in members(handle, progress, total):
            if manifest is not None or member.name in found:
                raise damaged("a member is there twice, or follows the manifest")
            if not found:
                found[HEAD] = _first(member)
            elif member.name == MANIFEST:
                manifest = _manifest(member.content(), found)
            else:
                found[member.name] = (member.size, _hashed(member.chunks))
    if manifest is None:
        raise damaged("it has no end: writing it was interrupted")
    return manifest


def damaged(how: str) -> InputError:
    """A backup that must not be restored."""
    return InputError("backup.damaged", f"this backup is damaged: {how}", "take another one")


def newer() -> InputError:
    """A backup of a program that this one does not know yet."""
    return InputError(
        "backup.newer",
        "this backup was made by a newer version of CardioFusion",
        "install that version, and restore with it",
    )


def _header(handle: IO[bytes]) -> tarfile.TarInfo | None:
    """The next member's; None at the end."""
    block = _exactly(handle, tarfile.BLOCKSIZE)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeError, ValueError) as error:
        raise damaged("it is no tar, or not ours") from error
    if header.type != tarfile.REGTYPE or not NAME.fullmatch(header.name) or header.size < 0:
        raise damaged("it holds something that no backup holds")
    return header


def _chunks(handle: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = _exactly(handle, min(CHUNK, size))
        size -= len(chunk)
        yield chunk


def _exactly(handle: IO[bytes], size: int) -> bytes:
    content = handle.read(size)
    if len(content) != size:
        raise damaged("it ends early")
    return content


def _hashed(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _first(first: Member) -> tuple[int, str]:
    """Size and hash of the first member, which says what this is. Raises InputError."""
    if first.name != HEAD:
        raise damaged("it does not begin as one of ours")
    content = first.content()
    _head(content)
    return first.size, hashlib.sha256(content).hexdigest()


def _head(content: bytes) -> Head:
    """Raises InputError "backup.newer", "backup.damaged"."""
    said = _object(content, Head.__dataclass_fields__)
    if not isinstance(said["format"], int) or said["format"] > FORMAT:
        raise newer()
    return Head(str(said["version"]), str(said["revision"]), str(said["created"]), said["format"])


def _manifest(content: bytes, found: Mapping[str, tuple[int, str]]) -> Manifest:
    """What the manifest says, where it says the same as was found."""
    said = _object(content, Manifest.__dataclass_fields__)
    try:
        stated = {name: (int(size), str(sha256)) for name, (size, sha256) in said["members"].items()}
        rows = {str(table): int(count) for table, count in said["rows"].items()}
        head = _head(json.dumps(said["head"]).encode())
        manifest = Manifest(head, stated, rows, tuple(map(str, said["lost"])))
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged("its manifest cannot be read") from error
    if stated != found:
        raise damaged("what it holds is not what its manifest says")
    return manifest


def _object(content: bytes, names: Iterable[str]) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged("its description cannot be read") from error
    if not isinstance(said, dict) or said.keys() != set(names):
        raise damaged("its description says something else than ours does")
    return said
