"""Embeddings: the same as torch's, the same each time, and none lost to a bad record or to Ctrl-C."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from cardiofusion.records import InMemory, InputError, Recording, RecordingError
from cardiofusion.runtime import System, embed_to_file
from cardiofusion.signal import canonical
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study.encoding import load_encoder

N = 80


@pytest.fixture(scope="module")
def sources():
    found = list(virtual_cohort(N, 20_014).recordings)
    # The order of a data set is no alphabetical one.
    return [found[k] for k in np.random.default_rng(1).permutation(N)]


@dataclass(frozen=True)
class Corrupt:
    record_id: str

    def read(self) -> Recording:
        raise RecordingError("recording.truncated", f"{self.record_id} is truncated", "copy it again")


def arrays(path):
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def same(one, other):
    assert set(one) == set(other) == {"ids", "embedding", "quality"}
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def errors(path):
    with path.with_name(f"{path.name}.errors.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def whole(tiny_system, sources, tmp_path_factory):
    out = tmp_path_factory.mktemp("embed") / "whole.npz"
    assert embed_to_file(tiny_system.encoder, sources, out) == (N, 0)
    return arrays(out)


def test_the_file_holds_ids_in_the_order_of_the_data_set(whole, sources):
    assert whole["ids"].tolist() == [source.record_id for source in sources]
    assert whole["ids"].dtype.kind == "U"
    assert whole["embedding"].dtype == np.float32
    assert whole["embedding"].shape[0] == len(whole["quality"]) == N
    assert np.isfinite(whole["embedding"]).all()
    assert set(whole["quality"]) <= {"good", "fair"}


def test_the_same_ecgs_give_the_same_file(tiny_bundle, sources, whole, tmp_path):
    embed_to_file(System.load(tiny_bundle).encoder, sources, tmp_path / "again.npz")
    same(arrays(tmp_path / "again.npz"), whole)


def test_an_embedding_does_not_depend_on_who_is_beside_it(tiny_system, sources, whole):
    alone = tiny_system.encoder.embed([canonical(sources[5].read())])[0]
    np.testing.assert_allclose(alone, whole["embedding"][5], atol=1e-5)


@pytest.mark.parametrize("leads", [12, 8, 1])
def test_the_runtime_embeds_as_torch_does(tiny_system, tiny_folder, sources, leads):
    """Parity of training and runtime: the same canonical ECG, 1e-4."""
    model = load_encoder(tiny_folder / "bundle.work/pretrain")
    recordings = [source.read() for source in sources[:6]]
    ecgs = [canonical(replace(r, signal=r.signal[-leads:], leads=r.leads[-leads:])) for r in recordings]
    signal, present = np.stack([e.signal for e in ecgs]), np.stack([e.present for e in ecgs])
    with torch.no_grad():
        expected = model.embed(torch.from_numpy(signal), torch.from_numpy(present)).numpy()
    np.testing.assert_allclose(tiny_system.encoder.embed(ecgs), expected, atol=1e-4)


def test_training_embedded_the_cohort_as_the_runtime_does(tiny_system, tiny_folder):
    """The embeddings that the study kept are those of the runtime, for the records the bundle was made of."""
    kept = np.load(tiny_folder / "bundle.work/embed-cohort/embedding.npy", allow_pickle=False)
    first = virtual_cohort(640, 7).recordings[:4]
    found = tiny_system.encoder.embed([canonical(source.read()) for source in first])
    np.testing.assert_allclose(found, kept[:4], atol=1e-4)


def test_bad_records_never_stop_the_rest_and_are_listed(tiny_system, sources, whole, tmp_path):
    flat = replace(sources[3].read(), signal=np.zeros((12, 1000), np.float32), record_id="flat")
    mixed = [Corrupt("broken"), *sources[:10], InMemory(flat), *sources[10:40]]
    out = tmp_path / "mixed.npz"
    assert embed_to_file(tiny_system.encoder, mixed, out) == (40, 2)
    found = arrays(out)
    assert found["ids"].tolist() == [source.record_id for source in sources[:40]]
    np.testing.assert_allclose(found["embedding"], whole["embedding"][:40], atol=1e-5)
    listed = errors(out)
    assert [entry["record"] for entry in listed] == ["broken", "flat"]
    assert listed[0]["code"] == "recording.truncated"
    assert all(entry["reason"] for entry in listed)


def test_all_bad_gives_an_empty_file_and_the_whole_list(tiny_system, tmp_path):
    out = tmp_path / "none.npz"
    assert embed_to_file(tiny_system.encoder, [Corrupt("a"), Corrupt("b")], out) == (0, 2)
    assert len(arrays(out)["ids"]) == 0
    assert len(errors(out)) == 2


def test_no_record_at_all_is_an_error(tiny_system, tmp_path):
    with pytest.raises(InputError):
        embed_to_file(tiny_system.encoder, [], tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_stopped_between_records_it_goes_on_and_gives_the_same_file(tiny_system, sources, whole, tmp_path):
    out = tmp_path / "resumed.npz"
    mixed = [Corrupt("broken"), *sources]

    def stop(done, total):
        assert total == N + 1
        if done > N // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_to_file(tiny_system.encoder, mixed, out, stop)
    assert not out.exists()
    done = []
    embed_to_file(tiny_system.encoder, mixed, out, lambda at, _: done.append(at))
    assert done[0] > N // 2
    same(arrays(out), whole)
    assert [entry["record"] for entry in errors(out)] == ["broken"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed.npz", "resumed.npz.errors.csv"]


class StopsOnce:
    """An ECG during whose first reading somebody presses Ctrl-C."""

    def __init__(self, source):
        self.source, self.record_id, self.asked = source, source.record_id, 0

    def read(self):
        self.asked += 1
        if self.asked == 1:
            raise KeyboardInterrupt
        return self.source.read()


def test_stopped_while_reading_it_goes_on_and_gives_the_same_file(tiny_system, sources, whole, tmp_path):
    out = tmp_path / "resumed.npz"
    interrupted = list(sources)
    interrupted[50] = StopsOnce(sources[50])
    with pytest.raises(KeyboardInterrupt):
        embed_to_file(tiny_system.encoder, interrupted, out)
    embed_to_file(tiny_system.encoder, interrupted, out)
    same(arrays(out), whole)


def test_what_another_run_left_is_not_mixed_in(tiny_system, sources, whole, tmp_path):
    out = tmp_path / "other.npz"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_to_file(tiny_system.encoder, sources[40:], out, stop)
    embed_to_file(tiny_system.encoder, sources[:40], out)
    assert arrays(out)["ids"].tolist() == whole["ids"][:40].tolist()


def test_a_damaged_partial_file_is_begun_anew(tiny_system, sources, whole, tmp_path):
    out = tmp_path / "damaged.npz"
    out.with_name("damaged.npz.partial").write_bytes(b"PK\x03\x04 nothing of use")
    embed_to_file(tiny_system.encoder, sources[:5], out)
    assert arrays(out)["ids"].tolist() == whole["ids"][:5].tolist()
