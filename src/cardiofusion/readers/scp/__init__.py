"""SCP-ECG (EN 1064, ISO 11073-91064): sections with checksums; rhythm as Huffman codes of differences.

Versions 1.x and 2.x, reference beats and bimodal compression included, and the short rhythm of version 3.
Source: EN 1064:2005+A1:2007, and ISO 41064:2023 for what version 3 dropped; samples that were left out are
interpolated, and reference beats added, as in the decoders of E. Cervesato (BioSig) and M. van Ettinger (ECG
Toolkit).
"""

from cardiofusion.readers.scp.reader import SCP

__all__ = ["SCP"]
