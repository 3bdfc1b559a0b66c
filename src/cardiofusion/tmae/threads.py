"""Threads with one core each, for work whose single operations are too small to be shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

Given = TypeVar("Given")
Made = TypeVar("Made")


class Workers(Protocol):
    """Something that does a work on many things at once and keeps their order."""

    def map(self, work: Callable[[Given], Made], things: Iterable[Given], /) -> Iterator[Made]:
        """The results, in the order of `things`; an error of one is raised when its turn comes."""


@contextmanager
def workers(threads: int) -> Iterator[Workers]:
    """`threads` workers, each on one core; the calling thread's torch goes back to its own number after it.

    Work must draw chance from generators of its own: torch's default one is shared by all threads.
    """
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
