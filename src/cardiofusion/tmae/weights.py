"""The encoder that comes with the package: its weights, its ONNX graph and its card. No torch here.

`shipped/card.json` names the SHA-256 of every other file; what is read is checked against it first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from cardiofusion.records import BundleError

CARD = "card.json"
WEIGHTS = "encoder.safetensors"
GRAPH = "encoder.onnx"


@dataclass(frozen=True, eq=False)
class ShippedEncoder:
    """card: what it learnt from, and how long. hash: SHA-256 of the card, which holds those of the files."""

    card: Mapping[str, Any]
    hash: str
    contents: Mapping[str, bytes] = field(repr=False)

    def bytes(self, name: str) -> bytes:
        """`WEIGHTS` or `GRAPH`, verified. Raises BundleError."""
        if name not in self.contents:
            raise BundleError(
                "encoder.missing", f"the shipped encoder has no {name}", "install the package again"
            )
        return self.contents[name]


@cache
def shipped_encoder() -> ShippedEncoder:
    """Read once and verified. Raises BundleError where the installed files are not those shipped."""
    folder = files("cardiofusion.tmae").joinpath("shipped")
    try:
        raw = folder.joinpath(CARD).read_bytes()
        card = json.loads(raw)
        contents = {name: folder.joinpath(name).read_bytes() for name in card["sha256"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged("cannot be read") from error
    if any(hashlib.sha256(content).hexdigest() != card["sha256"][name] for name, content in contents.items()):
        raise _damaged("has been changed")
    return ShippedEncoder(card, hashlib.sha256(raw).hexdigest(), contents)


def _damaged(what: str) -> BundleError:
    return BundleError("encoder.damaged", f"the shipped encoder {what}", "install the package again")
