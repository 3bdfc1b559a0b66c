"""Threads with one core each, for work whose single operations are too small to be shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch
from threadpoolctl import threadpool_limits

Given = TypeVar("Given")
Made = TypeVar("Made")


class Workers(Protocol):
    """Something that does a work on many things at once and keeps their order."""

    def map(self, work: Callable[[Given], Made], things: Iterable[Given], /) -> Iterator[Made]:
        """The results, in the order of `things`; an error of one is raised when its turn comes."""


def set_threads(threads: int) -> None:
    """Torch and NumPy on so many threads, and the same result each time."""
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    torch.use_deterministic_algorithms(True)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch on so many threads inside the block, and on as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def workers(threads: int) -> Iterator[Workers]:
    """`threads` workers, each on one core. So is the caller's torch: its sums, too, differ with the number.

    So is NumPy, whose threads would wait for each other. After the block the caller has its own number again.
    Work must draw chance from generators of its own: torch's default one is shared by all threads.
    """
    with (
        torch_threads(1),
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield pool
