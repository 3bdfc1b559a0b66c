"""What a server is told: from a file, from the command line, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardiofusion.records import InputError
from cardiofusion.serve.settings import PORT, Settings, default_folder, read_settings

TOML = """
data = "/srv/clinic"
host = "10.0.0.5"
port = 8443
shared = true
hosts = ["ecg.hospital.example"]
certificate = "~/cert.pem"
key = "~/key.pem"
dicom_peers = ["CART1", "CART2"]
language = "fr"
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "clinic.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_nothing_told_is_this_machine_alone() -> None:
    settings = read_settings(None, {"data": None, "port": None})
    assert settings == Settings(data=default_folder())
    assert (settings.host, settings.port, settings.shared, settings.secure) == (
        "127.0.0.1",
        PORT,
        False,
        False,
    )
    assert settings.allowed_hosts == {"127.0.0.1", "localhost", "[::1]"}


def test_a_file_is_read_and_the_command_line_counts_more(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, TOML), {"port": 9000, "host": None})
    assert settings.data == Path("/srv/clinic")
    assert (settings.host, settings.port, settings.shared, settings.secure) == ("10.0.0.5", 9000, True, True)
    assert settings.dicom_peers == ("CART1", "CART2")
    assert settings.certificate == Path.home() / "cert.pem"
    assert "ecg.hospital.example" in settings.allowed_hosts


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 80", "prot"),
        ('port = "80"', "port"),
        ("port = 80.5", "port"),
        ("port = true", "port"),
        ("shared = 1", "shared"),
        ("hosts = [1]", "hosts"),
        ('hosts = "one"', "hosts"),
        ("data = 3", "data"),
        ("database = 3", "database"),
        ("port = ", "TOML"),
        (b"\xff\xfe", "TOML"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, text: str | bytes, named: str) -> None:
    with pytest.raises(InputError) as refused:
        read_settings(written(tmp_path, text), {})
    assert refused.value.code == "serve.settings"
    assert named in refused.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_settings(tmp_path / "none.toml", {})
    assert refused.value.code == "serve.settings"


@pytest.mark.parametrize(
    "key", ["port = 70000", "port = -1", "workers = 0", "dicom_port = 70000", "max_upload_bytes = 0"]
)
def test_a_value_out_of_range(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError) as refused:
        read_settings(written(tmp_path, key), {})
    assert refused.value.code == "serve.settings"


def test_no_door_is_open_to_others_without_a_sign_in() -> None:
    with pytest.raises(InputError) as refused:
        Settings(data=Path("x"), host="0.0.0.0")
    assert refused.value.code == "serve.open"
    assert Settings(data=Path("x"), host="0.0.0.0", shared=True)


def test_tls_needs_both_files() -> None:
    with pytest.raises(InputError) as refused:
        Settings(data=Path("x"), certificate=Path("c"))
    assert refused.value.code == "serve.tls"


def test_the_database_lies_with_the_data_unless_told() -> None:
    assert Settings(data=Path("/a")).database_url == "sqlite:////a/cardiofusion.db"
    assert Settings(data=Path("/a"), database="postgresql://h/b").database_url == "postgresql://h/b"
