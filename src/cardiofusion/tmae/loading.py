"""Pretrained encoders as torch models."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load

from cardiofusion.records import BundleError
from cardiofusion.tmae.model import TMAE, TMAEConfig
from cardiofusion.tmae.weights import WEIGHTS, shipped_encoder


def pretrained() -> TMAE:
    """The shipped encoder, ready to embed: `pretrained().embed(signal, present)`.

    signal float32 [n, 12, 1000], canonical (signal.canonical_batch); present bool [n, 12].
    Raises BundleError.
    """
    return read_tmae(shipped_encoder().bytes(WEIGHTS))


def read_tmae(content: bytes) -> TMAE:
    """A TMAE of the standard shape from the bytes of its .safetensors file. Raises BundleError."""
    try:
        tensors = load(content)
        causes = tensors.get("causes.weight")
        model = TMAE(TMAEConfig(n_causes=0 if causes is None else len(causes)))
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise BundleError(
            "encoder.unreadable", "these are not the weights of a TMAE", "pretrain it again"
        ) from error
    return model.eval()
