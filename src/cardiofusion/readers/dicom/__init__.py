"""DICOM waveforms: 12-lead, general and ambulatory ECG, and the ECG channels of haemodynamic recordings.

Source: DICOM PS3.3 C.10.9 (waveform module), A.34 (waveform objects); PS3.5; PS3.16 CID 3001, 3227-3229.
"""

from cardiofusion.readers.dicom.reader import DICOM

__all__ = ["DICOM"]
