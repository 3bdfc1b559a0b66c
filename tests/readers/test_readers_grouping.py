"""Files that came together, as recordings."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.readers import group_files

names = st.sampled_from(
    ["a.hea", "a.dat", "b.hea", "b.dat", "a_0001.hea", "a_0001.dat", "x.dcm", "A.HEA", "", "."]
)
folders = st.sampled_from(["", "one/", "two\\", "one/two/", "C:\\", "../", "/"])
headers = st.lists(
    st.sampled_from(["a", "b", "a_0001", "a.dat", "b.dat", "a_0001.dat", "x.dcm", "a/2 1", "~", "#", ""])
)
contents = st.one_of(st.binary(max_size=20), headers.map(lambda lines: "\n".join(lines).encode()))
uploads = st.lists(st.tuples(st.builds(str.__add__, folders, names), contents), max_size=12)


@given(uploads)
def test_every_file_is_in_exactly_one_group(files: list[tuple[str, bytes]]) -> None:
    groups = group_files(files)
    assert all(groups)
    found = Counter(content for group in groups for content in group.values())
    assert found == Counter(content for _, content in files)


@given(uploads)
def test_a_group_holds_plain_names_of_one_folder(files: list[tuple[str, bytes]]) -> None:
    for group in group_files(files):
        assert not any("/" in name or "\\" in name for name in group)


def test_a_records_files_belong_together_whatever_their_order() -> None:
    files = [("one.dat", b"1"), ("x.dcm", b"2"), ("one.hea", b"one 1 500 10\none.dat 16 1000 16 0 0 0 0 I\n")]
    groups = group_files(files)
    assert [set(group) for group in groups] == [{"one.dat", "one.hea"}, {"x.dcm"}]


def test_a_record_of_several_segments_is_one() -> None:
    files = {
        "r.hea": b"r/2 1 500 20\nr_1 10\nr_2 10\n",
        "r_1.hea": b"r_1 1 500 10\nr_1.dat 16 1000\n",
        "r_2.hea": b"r_2 1 500 10\nr_2.dat 16 1000\n",
        "r_1.dat": b"1",
        "r_2.dat": b"2",
        "other.hea": b"other 1 500 10\nother.dat 16 1000\n",
        "other.dat": b"3",
    }
    groups = group_files(files.items())
    assert [set(group) for group in groups] == [set(list(files)[:5]), {"other.hea", "other.dat"}]


def test_folders_never_mix() -> None:
    header = b"r 1 500 10\nr.dat 16 1000\n"
    files = [
        (f"{folder}{name}", name.encode() + folder.encode())
        for folder in ("a/", "b\\", "")
        for name in ("r.dat",)
    ]
    files += [("a/r.hea", header), ("b/r.hea", header + b"#b")]
    groups = group_files(files)
    assert sorted(len(group) for group in groups) == [1, 2, 2]
    for group in groups:
        if "r.hea" in group:
            assert group["r.dat"] == (b"r.datb\\" if group["r.hea"].endswith(b"#b") else b"r.data/")


def test_a_name_that_comes_twice_is_a_recording_of_its_own() -> None:
    header = b"r 1 500 10\nr.dat 16 1000\n"
    files = [
        ("r.hea", header),
        ("r.dat", b"1"),
        ("r.dat", b"2"),
        ("r.hea", header),
        ("x.dcm", b"3"),
        ("x.dcm", b"4"),
    ]
    groups = group_files(files)
    assert [sorted(group.values()) for group in groups] == [
        sorted([header, b"1"]), [b"3"], sorted([header, b"2"]), [b"4"],
    ]  # fmt: skip


def test_headers_that_name_each_other_are_each_alone() -> None:
    files = {"a.hea": b"a/1 1 500 10\nb 10\n", "b.hea": b"b/1 1 500 10\na 10\n"}
    assert group_files(files.items()) == [{name: content} for name, content in files.items()]
