"""One row through LightGBM's own prediction for single rows, without what its Python wrapper adds to a call.

`Booster.predict` parses parameters, finds threads and allocates at every call: 50 us for a row that the trees
answer in 5. LightGBM's C API prepares all that once (`LGBM_BoosterPredictForMatSingleRowFastInit`) and gives
the same score, bit for bit. Trees compiled to NumPy arrays are slower than either: every node of every
tree has to be looked at (`benchmarks/tabular.py --only row` measures the three).
"""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

# From LightGBM's c_api.h.
_FLOAT64, _RAW_SCORE, _ALL_TREES = 1, 1, -1


class SingleRow:
    """The raw score of one row [1, column]; of a booster that stays as it is. Safe to call from threads."""

    def __init__(self, booster: lightgbm.Booster, n_columns: int) -> None:
        from lightgbm.basic import _LIB, _safe_call

        self._booster = booster  # its memory is the prepared prediction's too
        self._predict = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        self._check = _safe_call
        self._prepared = ctypes.c_void_p()
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                ctypes.c_int(_RAW_SCORE),
                ctypes.c_int(0),
                ctypes.c_int(_ALL_TREES),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(n_columns),
                ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(self._prepared),
            )
        )
        weakref.finalize(self, _LIB.LGBM_FastConfigFree, self._prepared)

    def __call__(self, row: NDArray[np.float64]) -> float:
        """row: contiguous, as many columns as the model has."""
        score, length = ctypes.c_double(), ctypes.c_int64()
        address = ctypes.c_void_p(row.ctypes.data)
        self._check(self._predict(self._prepared, address, ctypes.byref(length), ctypes.byref(score)))
        return score.value
