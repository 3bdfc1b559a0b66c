"""EDF, EDF+ and BDF: signals of any kind, of which the ECG leads are read.

Source: Kemp et al. 1992 (EDF), Kemp and Olivan 2003 (EDF+), and BioSemi's account of BDF (24 bits).
"""

from cardiofusion.readers.edf.reader import EDF

__all__ = ["EDF"]
