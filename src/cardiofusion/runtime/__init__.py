"""A bundle that answers: recording and clinical row in, `Assessment` out. No torch."""

from cardiofusion.runtime.models import Encoded
from cardiofusion.runtime.system import System

__all__ = ["Encoded", "System"]
