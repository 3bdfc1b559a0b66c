"""Pretrained encoders as torch models."""

from __future__ import annotations

import hashlib
from functools import cache

from safetensors import SafetensorError
from safetensors.torch import load

from cardiofusion.records import BundleError
from cardiofusion.simulate import CAUSE_TARGETS, FINDING_CAUSES
from cardiofusion.tmae.model import TMAE, TMAEConfig
from cardiofusion.tmae.weights import WEIGHTS, shipped_encoder


def pretrained() -> TMAE:
    """The shipped encoder, ready to embed: `pretrained().embed(signal, present)`.

    signal float32 [n, 12, 1000], canonical (signal.canonical_batch); present bool [n, 12].
    Raises BundleError.
    """
    return read_tmae(shipped_encoder().bytes(WEIGHTS))


def standard_config(n_causes: int = len(CAUSE_TARGETS), echo: bool = False) -> TMAEConfig:
    """The standard shape; with the causes of our virtual patients also their findings."""
    findings = FINDING_CAUSES if n_causes == len(CAUSE_TARGETS) else ()
    return TMAEConfig(n_causes=n_causes, findings=findings, echo=echo)


@cache
def structure() -> str:
    """A hash of the standard shape: weights under another one are of no use to this version."""
    shapes = {name: tuple(value.shape) for name, value in TMAE(standard_config()).state_dict().items()}
    return hashlib.sha256(repr((shapes, CAUSE_TARGETS)).encode()).hexdigest()[:16]


def read_tmae(content: bytes) -> TMAE:
    """A TMAE of the standard shape from the bytes of its .safetensors file. Raises BundleError."""
    try:
        tensors = load(content)
        causes = tensors.get("causes.weight")
        model = TMAE(standard_config(0 if causes is None else len(causes), "decoder.blend" in tensors))
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise BundleError(
            "encoder.unreadable", "these are not the weights of a TMAE", "pretrain it again"
        ) from error
    return model.eval()
