"""CardioFusion: ECG and clinical row to sets of labels with a guarantee, on a CPU, offline."""

import os as _os

__version__ = "0.1.0"

# ONNX Runtime's own builds tell their maker what they load, and keep a number for the machine in the user's
# home, unless this is said before they are imported (its Privacy.md). Nothing leaves this machine.
_os.environ["ORT_DISABLE_TELEMETRY"] = "1"
