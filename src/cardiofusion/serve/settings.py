"""What a server is told at its start: where data lies, who may reach it, its limits."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from cardiofusion.records import InputError

PORT = 8321
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MEBIBYTE = 1 << 20
RANGES: Mapping[str, tuple[int, int]] = {
    "port": (0, 65_535),
    "dicom_port": (1, 65_535),
    "workers": (1, 64),
    "max_upload_bytes": (MEBIBYTE, 16_384 * MEBIBYTE),
}


@dataclass(frozen=True)
class Settings:
    """data: the folder that holds everything. host, port: where it listens.

    database: an SQLAlchemy URL (PostgreSQL), None for SQLite in `data`. bundle: folder or shipped name.
    shared: people sign in, each with a role; else whoever has the token of this start is the one user.
    hosts: names by which browsers may reach it, beside this machine's. certificate, key: for TLS (PEM).
    workers: processes that read and examine ECGs, 50 to 110 MB each by the formats installed.
    examples: virtual patients on the first worklist.
    dicom_port: where ECGs are received by C-STORE, None for not at all; dicom_host: on which address;
    dicom_title: its AE title; dicom_peers: AE titles that may send, none for all. max_upload_bytes: of one
    request. language: of pages, unless a user chooses another.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = PORT
    database: str | None = None
    bundle: str = "reference"
    shared: bool = False
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    workers: int = max(1, min(2, (os.cpu_count() or 2) - 1))
    examples: bool = True
    dicom_port: int | None = None
    dicom_host: str = "127.0.0.1"
    dicom_title: str = "CARDIOFUSION"
    dicom_peers: tuple[str, ...] = ()
    max_upload_bytes: int = 512 * MEBIBYTE
    language: str = "en"

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise _wrong(f"{name} cannot be {value}", f"{least:,} to {most:,}")
        if (self.certificate is None) != (self.key is None):
            raise InputError("serve.tls", "TLS needs a certificate and a key", "give both or none")
        if not self.shared and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise InputError(
                "serve.open",
                f"{self.host} can be reached from other machines, and nobody would have to sign in",
                "add --shared, and make a user with `cardiofusion users add NAME`",
            )

    @property
    def database_url(self) -> str:
        """SQLAlchemy's."""
        if self.database:
            return self.database
        here = URL.create("sqlite", database=str(self.data / "cardiofusion.db"))
        return here.render_as_string()  # a folder's name may hold what separates the parts of an address

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """What a Host header may say, without the port."""
        return frozenset({*LOCAL_HOSTS, *self.hosts})

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.certificate is not None


def default_folder() -> Path:
    """Where a clinic's data lies unless told otherwise: the user's own data folder of this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "CardioFusion"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "CardioFusion"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cardiofusion"


def read_settings(file: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings of a TOML file, None values of `given` left aside, the others over it.

    Raises InputError "serve.settings" for an unknown name, a value of another kind or a file that is no TOML.
    """
    told = {name: value for name, value in given.items() if value is not None}
    stated = {} if file is None else _parsed(file)
    known = {field.name: str(field.type) for field in fields(Settings)}
    for name, value in stated.items():
        if name not in known:
            raise _wrong(f"{name!r} is no setting", f"one of: {', '.join(known)}")
        stated[name] = _typed(name, value, known[name])
    merged = {"data": default_folder(), **stated, **told}
    return replace(Settings(data=Path(merged.pop("data"))), **merged)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"{file.name} is no TOML: {error}", "see docs/clinic.md for an example") from error
    except OSError as error:
        raise _wrong(f"{file.name}: {error.strerror}", "check the path and its permissions") from error


def _typed(name: str, value: Any, kind: str) -> Any:
    """A TOML value as the field's type."""
    if kind.startswith("Path") and isinstance(value, str):
        return Path(value).expanduser()
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    plain = {"str": str, "int": int, "bool": bool}.get(kind.split(" ")[0])
    if plain is not None and type(value) is plain:
        return value
    raise _wrong(f"{name} cannot be {value!r}", f"it is {kind}")


def _wrong(what: str, hint: str) -> InputError:
    return InputError("serve.settings", what, hint)
