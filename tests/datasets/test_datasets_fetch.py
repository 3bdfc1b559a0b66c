"""Releases over the network, from a server of our own that behaves well or badly."""

from __future__ import annotations

import errno
import os
import socket
import threading
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest

from cardiofusion.datasets import RELEASES, download, fetch_dataset
from cardiofusion.records import DatasetError, FetchError, InputError, StorageError

ECG = "records100/00000/00001_lr.dat"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fetch(mirror, tmp_path):
    """fetch(...): the release from the mirror into `tmp_path / "ptb-xl"`."""
    return lambda **options: fetch_dataset("ptb-xl", tmp_path / "ptb-xl", url=mirror.url, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def at_rate(mirror, rate: int) -> dict[str, bytes]:
    """What a folder must hold."""
    kept = (f"records{rate}/", "ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt", "RECORDS")
    files = {name: content for name, content in mirror.files.items() if name.startswith(kept)}
    return files | {"SHA256SUMS.txt": mirror.content("SHA256SUMS.txt")}


def part_of(folder: Path, name: str, content: bytes) -> Path:
    part = folder / f"{name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content)
    return part


@pytest.mark.parametrize("rate", [100, 500])
def test_a_release_is_fetched_whole_at_one_rate_and_a_second_run_asks_for_nothing(
    mirror, fetch, tmp_path, rate
):
    steps = []
    found = fetch(rate=rate, on_step=lambda *step: steps.append(step))
    assert (found.files, found.new) == (8, 8)
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, rate)
    assert steps == [(done, 8) for done in range(1, 9)]
    mirror.asked.clear()
    assert fetch(rate=rate).new == 0
    assert mirror.asked == [("SHA256SUMS.txt", None)]


def test_a_part_goes_on_where_it_stopped(mirror, fetch, tmp_path):
    part_of(tmp_path / "ptb-xl", ECG, mirror.files[ECG][:70_000])
    fetch()
    assert [wanted for name, wanted in mirror.asked if name == ECG] == ["bytes=70000-"]
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_part_that_is_whole_is_only_renamed(mirror, fetch, tmp_path):
    part_of(tmp_path / "ptb-xl", ECG, mirror.files[ECG])
    fetch()
    assert ECG not in [name for name, _ in mirror.asked]
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("content", [b"of another release", b"x" * 2_000_000], ids=["wrong", "too long"])
def test_a_part_that_does_not_fit_is_started_again(mirror, fetch, tmp_path, content, ranges):
    mirror.ranges = ranges
    part_of(tmp_path / "ptb-xl", ECG, content)
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_server_that_ignores_ranges(mirror, fetch, tmp_path):
    mirror.ranges = False
    mirror.cuts[ECG] = [100_000]
    part_of(tmp_path / "ptb-xl", ECG, mirror.files[ECG][:70_000])
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_connection_that_ends_half_way_is_taken_up_again(mirror, fetch, tmp_path):
    mirror.cuts[ECG] = [100_000, 200_000]
    mirror.cuts["SHA256SUMS.txt"] = [40]
    fetch()
    wanted = [asked for name, asked in mirror.asked if name == ECG]
    assert wanted == [None, "bytes=100000-", "bytes=200000-"]
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


@pytest.mark.parametrize("status", sorted(download.TRY_AGAIN))
def test_a_server_that_is_busy_for_a_while(mirror, fetch, tmp_path, status):
    mirror.statuses[ECG] = [status, status]
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_server_that_stays_busy_is_given_up_and_the_rest_is_kept(mirror, fetch, tmp_path):
    mirror.statuses[ECG] = [503] * 4
    with pytest.raises(FetchError, match=r"did not give records100/00000/00001_lr\.dat: 503") as caught:
        fetch()
    assert caught.value.code == "fetch.server"
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_connection_that_always_ends_keeps_what_came(mirror, fetch, tmp_path):
    mirror.cuts[ECG] = [100_000] * 4
    with pytest.raises(FetchError, match="the connection ended after") as caught:
        fetch()
    assert caught.value.code == "fetch.server"
    assert (tmp_path / "ptb-xl" / f"{ECG}.part").read_bytes() == mirror.files[ECG][:100_000]


def test_a_server_that_falls_silent(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchError, match="timed out"):
        fetch_dataset("ptb-xl", tmp_path, url=f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_no_server_at_all(mirror, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(FetchError, match="refused") as caught:
        fetch_dataset("ptb-xl", tmp_path / "new", url=url)
    assert caught.value.code == "fetch.server"
    assert not (tmp_path / "new").exists()


def test_a_wrong_byte_is_refused_and_nothing_of_the_file_stays(mirror, fetch, tmp_path):
    mirror.served[ECG] = b"X" + mirror.files[ECG][1:]
    with pytest.raises(FetchError, match="SHA-256") as caught:
        fetch()
    assert caught.value.code == "fetch.checksum"
    assert not {ECG, f"{ECG}.part"} & set(contents(tmp_path / "ptb-xl"))
    mirror.served.clear()
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


def test_a_file_that_was_spoilt_later_is_replaced(mirror, fetch, tmp_path):
    fetch()
    (tmp_path / "ptb-xl" / ECG).write_bytes(b"spoilt")
    assert fetch().new == 1
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


@pytest.mark.parametrize("name", [ECG, "SHA256SUMS.txt"])
def test_a_file_that_is_not_there(mirror, fetch, name):
    mirror.statuses[name] = [404]
    with pytest.raises(FetchError, match="404") as caught:
        fetch()
    assert caught.value.code == "fetch.refused"
    assert [asked for asked, _ in mirror.asked].count(name) == 1


def test_a_file_that_has_moved(mirror, fetch, tmp_path):
    mirror.moved[ECG] = f"{mirror.url}elsewhere"
    mirror.served["elsewhere"] = mirror.files[ECG]
    fetch()
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_file_that_has_moved_off_the_web(mirror, fetch, place):
    mirror.moved[ECG] = place
    with pytest.raises(FetchError, match="302") as caught:
        fetch()
    assert caught.value.code == "fetch.refused"


def test_https_is_not_left_for_http():
    handler, request = download._NeverLessSafe(), Request("https://host/a")
    assert handler.redirect_request(request, None, 302, "Found", HTTPMessage(), "http://host/a") is None
    assert handler.redirect_request(request, None, 302, "Found", HTTPMessage(), "https://host/b") is not None


def test_a_file_without_end(mirror, fetch, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    with pytest.raises(FetchError) as caught:
        fetch()
    assert caught.value.code == "fetch.large"


@pytest.mark.parametrize(
    "name",
    ["../evil.dat", "records100/../../evil.dat", "/tmp/evil.dat", "..\\evil.dat", "C:evil.dat", "a\x1b[2J"],
)
def test_a_list_that_leads_out_of_the_folder_is_refused_whole(mirror, fetch, tmp_path, name):
    mirror.listed = [f"{'0' * 64} {name}"]
    with pytest.raises(FetchError, match="line 14") as caught:
        fetch()
    assert caught.value.code == "fetch.list"
    assert "\x1b" not in caught.value.message
    assert list(tmp_path.iterdir()) == []
    assert mirror.asked == [("SHA256SUMS.txt", None)]


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>\n<p>Please log in", b"\xff\xfe\x00", b"abc file.csv\n"])
def test_a_page_in_place_of_the_list(mirror, fetch, page):
    mirror.served["SHA256SUMS.txt"] = page
    with pytest.raises(FetchError, match="line 1") as caught:
        fetch()
    assert caught.value.code == "fetch.list"


@pytest.mark.parametrize("lacking", ["ptbxl_database.csv", "records100"])
def test_a_list_of_something_else(mirror, fetch, lacking):
    for name in [name for name in mirror.files if name.startswith(lacking)]:
        del mirror.files[name]
    with pytest.raises(FetchError, match="does not list"):
        fetch()
    mirror.files.clear()
    with pytest.raises(FetchError, match="does not list"):
        fetch()


def test_names_as_sha256sum_writes_them(mirror, fetch, tmp_path):
    mirror.served["SHA256SUMS.txt"] = mirror.content("SHA256SUMS.txt").replace(b" ", b" *")
    assert fetch().new == 8


@pytest.mark.skipif(os.name != "posix", reason="links as POSIX has them")
@pytest.mark.parametrize("name", [ECG, f"{ECG}.part", "records100", "SHA256SUMS.txt"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(fetch, tmp_path, name):
    outside, link = tmp_path / "outside", tmp_path / "ptb-xl" / name
    link.parent.mkdir(parents=True)
    if name == "records100":
        outside.mkdir()
    else:
        outside.write_bytes(b"mine")
    link.symlink_to(outside)
    with pytest.raises(StorageError) as caught:
        fetch()
    assert caught.value.code == "storage.outside"
    assert outside.read_bytes() == b"mine" if outside.is_file() else list(outside.iterdir()) == []


@pytest.mark.parametrize("place", ["", "records100", ECG])
def test_something_else_in_the_way(fetch, tmp_path, place):
    there = tmp_path / "ptb-xl" / place
    there.parent.mkdir(parents=True, exist_ok=True)
    if place == ECG:
        there.mkdir()
    else:
        there.write_bytes(b"a file, not a folder")
    with pytest.raises(StorageError):
        fetch()


def test_a_full_disk_is_no_matter_of_the_network(mirror, fetch, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="no space left"):
        fetch()


def test_after_an_error_nothing_writes_to_the_folder(mirror, fetch, monkeypatch):
    """One connection is told 404 while another waits for a server that says nothing."""
    monkeypatch.setattr(download, "TIMEOUT", 3.0)
    mirror.silent.add("scp_statements.csv")
    mirror.served[ECG] = None
    before = set(threading.enumerate())
    with pytest.raises(FetchError) as refusal:
        fetch()
    assert refusal.value.code == "fetch.refused"
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "worker" in thread.name]


def test_ctrl_c_leaves_what_the_next_run_goes_on_from(mirror, fetch, tmp_path):
    def interrupted(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(on_step=interrupted)
    there = contents(tmp_path / "ptb-xl")
    assert all(there[name] == mirror.content(name) for name in there if not name.endswith(".part"))
    assert fetch().files == 8
    assert contents(tmp_path / "ptb-xl") == at_rate(mirror, 100)


@pytest.mark.parametrize(
    "url", ["", "physionet.org", "file:///etc/", "ftp://host/", "https://", "http://[", "data:,x"]
)
def test_what_is_no_web_address(tmp_path, url):
    with pytest.raises(InputError) as caught:
        fetch_dataset("ptb-xl", tmp_path, url=url)
    assert caught.value.code == "input.url"


@pytest.mark.parametrize("url", ["http://a b/", "http://.../", "http://host:port/", "http://ü:1/ü"])
def test_a_web_address_that_cannot_be(tmp_path, url):
    with pytest.raises(FetchError):
        fetch_dataset("ptb-xl", tmp_path, url=url)


def test_names_and_rates_that_are_none(tmp_path):
    with pytest.raises(DatasetError, match="cannot be fetched"):
        fetch_dataset("code15", tmp_path)
    with pytest.raises(InputError, match="250 Hz"):
        fetch_dataset("ptb-xl", tmp_path, rate=250)
    assert RELEASES["ptb-xl"].url.startswith("https://")
