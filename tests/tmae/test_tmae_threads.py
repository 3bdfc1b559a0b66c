"""Workers: order, errors, and one core each."""

import threading

import pytest
import torch

from cardiofusion.tmae import workers


def test_results_keep_the_order_of_the_things():
    with workers(3) as pool:
        assert list(pool.map(lambda k: k * k, range(20))) == [k * k for k in range(20)]


def test_every_worker_has_one_core_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    with workers(2) as pool:
        barrier = threading.Barrier(2)

        def look(_: int) -> tuple[int, int]:
            barrier.wait(timeout=10)
            return torch.get_num_threads(), threading.get_ident()

        seen = list(pool.map(look, range(2)))
    assert [threads for threads, _ in seen] == [1, 1]
    assert len({ident for _, ident in seen}) == 2
    assert torch.get_num_threads() == before


def test_an_error_in_a_worker_reaches_the_caller():
    def fail(k: int) -> int:
        raise ValueError(k)

    with workers(2) as pool, pytest.raises(ValueError, match="0"):
        list(pool.map(fail, range(4)))
