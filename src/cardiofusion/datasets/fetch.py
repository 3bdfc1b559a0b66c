"""Published releases from their publisher's server, every file checked against the publisher's SHA-256.

The list of checksums is as good as the connection it came over: https, unless another address is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath

from cardiofusion.datasets.download import Server
from cardiofusion.datasets.table import nearest
from cardiofusion.records import DatasetError, FetchError, InputError, StorageError, write_bytes

CONNECTIONS = 4
CHECKSUMS = "SHA256SUMS.txt"


@dataclass(frozen=True)
class Release:
    """A published release: where it is, the files that it must have, those that are welcome, and its ECGs.

    recordings: sampling rate in Hz -> regular expression of the names of its ECG files.
    """

    title: str
    url: str
    tables: tuple[str, ...]
    papers: tuple[str, ...]
    recordings: Mapping[int, str]

    def wanted(self, listed: Mapping[str, str], rate: int) -> dict[str, str]:
        """Of the files that are listed, those that make the release at one sampling rate."""
        ecgs = {name: listed[name] for name in listed if re.fullmatch(self.recordings[rate], name)}
        lacking = [name for name in self.tables if name not in listed]
        if lacking or not ecgs:
            what = " and ".join(lacking) or f"no recordings at {rate} Hz"
            raise FetchError(
                "fetch.list", f"{CHECKSUMS} does not list {what}", f"is this the address of {self.title}?"
            )
        known = (*self.tables, *self.papers)
        return {name: listed[name] for name in known if name in listed} | ecgs


RELEASES: Mapping[str, Release] = {
    "ptb-xl": Release(
        title="PTB-XL 1.0.3",
        url="https://physionet.org/files/ptb-xl/1.0.3/",
        tables=("ptbxl_database.csv", "scp_statements.csv"),
        papers=("LICENSE.txt", "RECORDS"),
        recordings={
            100: r"records100/[0-9]{5}/[0-9]{5}_lr\.(hea|dat)",
            500: r"records500/[0-9]{5}/[0-9]{5}_hr\.(hea|dat)",
        },
    )
}


@dataclass(frozen=True)
class Fetched:
    """A release that is complete in its folder: how many files it has, and how many were fetched now."""

    title: str
    files: int
    new: int


def fetch_dataset(
    name: str,
    folder: Path | str,
    rate: int = 100,
    url: str | None = None,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
) -> Fetched:
    """Download a published release into `folder`, from `url` where its publisher's own is not wanted.

    Complete files are kept, partial ones go on where they stopped, anything else under a file's name is
    replaced. on_step: files done, files in all.

    Raises DatasetError for a name that cannot be fetched, InputError for a rate (Hz) or address that is
    none, FetchError for what the server does, StorageError for what the disk does.
    """
    release, folder = _release(name, rate), Path(folder)
    server = Server(release.url if url is None else url)
    checksums = server.read(CHECKSUMS)
    files = release.wanted(_listed(checksums), rate)
    write_bytes(_inside(folder, CHECKSUMS), checksums)

    def one(file: tuple[str, str]) -> bool:
        return server.download(file[0], _inside(folder, file[0]), file[1])

    new = 0
    with ThreadPool(CONNECTIONS) as pool:
        try:
            for done, fetched in enumerate(pool.imap_unordered(one, list(files.items())), start=1):
                new += fetched
                on_step(done, len(files))
        except Exception:  # once the caller knows, nothing writes to the folder any more
            server.stop.set()
            pool.terminate()
            pool.join()
            raise
        finally:  # Ctrl-C: the other connections end at their next block
            server.stop.set()
    return Fetched(release.title, len(files), new)


def _release(name: str, rate: int) -> Release:
    if name not in RELEASES:
        raise DatasetError("dataset.name", f"{name!r} cannot be fetched", nearest(name, tuple(RELEASES)))
    rates = RELEASES[name].recordings
    if rate not in rates:
        raise InputError("input.rate", f"{name} has no {rate} Hz", f"one of {', '.join(map(str, rates))}")
    return RELEASES[name]


def _listed(checksums: bytes) -> dict[str, str]:
    """Name -> SHA-256, from lines as `sha256sum` writes them. Raises FetchError for any other line."""
    listed = {}
    for number, line in enumerate(checksums.decode("utf-8", errors="replace").splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *]?(.+)", line)
        if match is None or not _is_safe(match[2]):
            raise FetchError(
                "fetch.list",
                f"{CHECKSUMS}, line {number}, is no checksum of a file in the release: {line[:90]!r}",
                "is something between you and the server, such as a log-in page?",
            )
        listed[match[2]] = match[1]
    return listed


def _is_safe(name: str) -> bool:
    """Whether a name from the network stays below the folder it is joined to, on any system."""
    path = PurePosixPath(name)
    return (
        name.isprintable()
        and not path.is_absolute()
        and ".." not in path.parts
        and not set(name) & set("\\:")
    )


def _inside(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`. Raises StorageError where links there lead out of it."""
    path = folder / name
    for place in (path, path.with_name(f"{path.name}.part")):
        if not place.resolve().is_relative_to(folder.resolve()):
            raise StorageError(
                "storage.outside", f"{name} is a link that leads out of {folder.name!r}", "remove the link"
            )
    return path
