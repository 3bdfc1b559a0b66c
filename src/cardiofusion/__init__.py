"""CardioFusion: ECG and clinical row to sets of labels with a guarantee, on a CPU, offline."""

__version__ = "0.1.0"
