"""A bundle that answers: recording and clinical row in, `Assessment` out. No torch."""

from cardiofusion.runtime.embedding import embed_to_file
from cardiofusion.runtime.models import Encoded, Encoder
from cardiofusion.runtime.system import Assessed, System

__all__ = ["Assessed", "Encoded", "Encoder", "System", "embed_to_file"]
