"""Groups of patients in the encoder's latent space, the evidence that they exist, and whose a new patient is.

Discovery needs umap-learn and hdbscan, and imports them only when it runs; the rest is NumPy only.
"""

from cardiofusion.phenotypes.agreement import STABLE_JACCARD, adjusted_rand_index, best_jaccard
from cardiofusion.phenotypes.assignment import fit_assignment
from cardiofusion.phenotypes.description import Association, describe
from cardiofusion.phenotypes.discovery import Discovery, discover
from cardiofusion.phenotypes.model import UNLIKE_ALL, PhenotypeMatch, PhenotypeModel

__all__ = [
    "STABLE_JACCARD",
    "UNLIKE_ALL",
    "Association",
    "Discovery",
    "PhenotypeMatch",
    "PhenotypeModel",
    "adjusted_rand_index",
    "best_jaccard",
    "describe",
    "discover",
    "fit_assignment",
]
