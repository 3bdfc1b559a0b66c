"""What a bundle carries to place a new patient: means, one covariance and quantiles, no patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.phenotypes.agreement import STABLE_JACCARD, Labels
from cardiofusion.phenotypes.discriminant import choose, log_posterior, mahalanobis, typicality
from cardiofusion.phenotypes.projection import Float, Projection
from cardiofusion.phenotypes.storage import checked_tensors, read_metadata, write_metadata
from cardiofusion.records import Figure

UNLIKE_ALL = "unlike all phenotypes"


@dataclass(frozen=True)
class PhenotypeMatch:
    """Where one patient belongs.

    name: the phenotype's, or UNLIKE_ALL with index None. distance: Mahalanobis, to the phenotype named (the
    nearest where unlike all). typicality: share of its members that lie farther out. probabilities: of each
    phenotype, given that it is one of them; empty where unlike all. stable: whether the phenotype came back
    in the bootstraps.
    """

    name: str
    index: int | None
    distance: float
    typicality: float
    probabilities: Mapping[str, float]
    stable: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PhenotypeModel:
    """Phenotypes as centres [phenotype, p] with one covariance, in a projection to p components.

    precision: inverse covariance [p, p]. quantiles: [phenotype, 101] of the members' held-out distances, a
    level a per cent. sizes: members [phenotype]. stability: mean Jaccard [phenotype]. names: largest first.
    agreement: share of members that a model fitted without them puts where the clustering did.
    """

    projection: Projection
    centres: Float
    precision: Float
    quantiles: Float
    sizes: NDArray[np.int64]
    stability: Float
    names: tuple[str, ...]
    agreement: Figure

    def __len__(self) -> int:
        return len(self.names)

    def assign(self, embedding: NDArray[np.floating]) -> PhenotypeMatch | None:
        """The phenotype of an embedding [d]; None where training found no phenotype.

        Raises InputError for another width or a number that is not finite.
        """
        distance, posterior, typical = self._place(embedding[None])
        if not len(self):
            return None
        chosen = int(choose(posterior, typical)[0])
        known = chosen >= 0
        nearest = chosen if known else int(distance[0].argmin())
        share = np.exp(posterior[0] - posterior[0].max())
        share /= share.sum()
        return PhenotypeMatch(
            name=self.names[chosen] if known else UNLIKE_ALL,
            index=chosen if known else None,
            distance=float(distance[0, nearest]),
            typicality=float(typical[0, nearest]),
            probabilities=dict(zip(self.names, share.tolist(), strict=True)) if known else {},
            stable=bool(known and self.stability[chosen] >= STABLE_JACCARD),
        )

    def assign_all(self, embeddings: NDArray[np.floating]) -> Labels:
        """The index of every row's phenotype, [n, d] -> [n]; -1 where unlike all of them."""
        _, posterior, typical = self._place(embeddings)
        return choose(posterior, typical) if len(self) else np.full(len(embeddings), -1, dtype=np.int64)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """What a safetensors file holds; `metadata` stands beside it."""
        return {
            "mean": self.projection.mean,
            "scale": self.projection.scale,
            "components": self.projection.components,
            "centres": self.centres,
            "precision": self.precision,
            "quantiles": self.quantiles,
            "sizes": self.sizes,
            "stability": self.stability,
        }

    @property
    def metadata(self) -> str:
        """Names and agreement as JSON."""
        return write_metadata(self.names, self.agreement)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], metadata: str) -> PhenotypeModel:
        """The inverse of `to_tensors` and `metadata`. Raises BundleError for whatever does not fit."""
        names, agreement = read_metadata(metadata)
        held = checked_tensors(tensors, len(names))
        projection = Projection(held.pop("mean"), held.pop("scale"), held.pop("components"))
        return cls(projection=projection, names=names, agreement=agreement, **held)

    def _place(self, embeddings: NDArray[np.floating]) -> tuple[Float, Float, Float]:
        """Distance, log posterior and typicality, each [n, phenotype]."""
        distance = mahalanobis(self.projection.apply(embeddings), self.centres, self.precision)
        if not len(self):
            return distance, distance, distance
        return distance, log_posterior(distance, self.sizes), typicality(distance, self.quantiles)
