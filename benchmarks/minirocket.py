"""MiniRocket features (Dempster et al., KDD 2021), by the aeon package, in an environment of its own.

Run by encoder.py where `make peers` has made `.venv-peers`: aeon asks for older libraries than ours.
python benchmarks/minirocket.py SIGNALS.npy FEATURES.npy. Its biases are drawn from all ECGs given, those
of the test folds among them: an advantage that ours does not have.
"""

from __future__ import annotations

import sys

import numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket

KERNELS, SEED = 10_000, 7


def main() -> None:
    source, target = sys.argv[1:]
    signals = np.load(source, allow_pickle=False)
    features = MiniRocket(n_kernels=KERNELS, random_state=SEED, n_jobs=1).fit_transform(signals)
    np.save(target, np.asarray(features, np.float32), allow_pickle=False)


if __name__ == "__main__":
    main()
