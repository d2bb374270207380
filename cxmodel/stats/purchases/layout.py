"""From one vector that an optimiser moves to the parameters of each row, and slopes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scaling:
    """Covariates z that scale one parameter by exp(sign x coefficient'z).

    Parameters
    ----------
    parameter : int
        Which.
    sign : float
        -1 where a larger parameter means less of what is described.
    names : tuple of str
        Of the coefficients.
    columns : tuple of int
        Which columns of the covariates.
    """

    parameter: int
    sign: float
    names: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """The vector: logarithms of the parameters, then coefficients of covariates.

    Covariates are centred and scaled for the optimiser; `to_raw` gives the vector for covariates as
    they came.

    Parameters
    ----------
    parameters : tuple of str
        The family's, all positive.
    scalings : tuple of Scaling
        In the order of the coefficients.
    centre, spread : array, (columns,)
        Of the covariates.
    """

    parameters: tuple[str, ...]
    scalings: tuple[Scaling, ...] = ()
    centre: FloatArray = field(default_factory=lambda: np.zeros(0))
    spread: FloatArray = field(default_factory=lambda: np.ones(0))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, then of the coefficients."""
        return (*self.parameters, *(name for s in self.scalings for name in s.names))

    @property
    def units(self) -> FloatArray:
        """What a step of 1 is, of each entry for covariates as they came.

        A logarithm is its own unit; of a coefficient it is what makes a standard deviation of the
        covariate count by e.
        """
        columns = [column for scaling in self.scalings for column in scaling.columns]
        return np.concatenate([np.ones(len(self.parameters)), 1 / self.spread[columns]])

    def parameters_of(self, vector: FloatArray, covariates: FloatArray) -> tuple[FloatArray, ...]:
        """Give each parameter: one number, or one a row where covariates scale it.

        Parameters
        ----------
        vector : array, (k,)
            In the units of `covariates`.
        covariates : array, (n, columns)
        """
        logs = [np.asarray(value) for value in vector[: len(self.parameters)]]
        for scaling, part in self._parts(vector):
            shift = covariates[:, scaling.columns] @ part
            logs[scaling.parameter] = logs[scaling.parameter] + scaling.sign * shift
        return tuple(np.exp(value) for value in logs)

    def slopes(
        self,
        by_parameter: tuple[FloatArray, ...],
        parameters: tuple[FloatArray, ...],
        weights: FloatArray,
        covariates: FloatArray,
    ) -> FloatArray:
        """Give the slopes in the vector from those in the parameters of each row, summed."""
        by_log = [
            weights * slope * value for slope, value in zip(by_parameter, parameters, strict=True)
        ]
        found = [np.array([part.sum() for part in by_log])]
        found += [s.sign * (by_log[s.parameter] @ covariates[:, s.columns]) for s in self.scalings]
        return np.concatenate(found)

    def to_raw(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the vector for covariates as they came, and the matrix that makes it."""
        matrix = np.eye(len(vector))
        place = len(self.parameters)
        for s in self.scalings:
            for column in s.columns:
                matrix[place, place] = 1 / self.spread[column]
                matrix[s.parameter, place] = -s.sign * self.centre[column] / self.spread[column]
                place += 1
        return matrix @ vector, matrix

    def _parts(self, vector: FloatArray) -> list[tuple[Scaling, FloatArray]]:
        found, place = [], len(self.parameters)
        for scaling in self.scalings:
            found.append((scaling, vector[place : place + len(scaling.names)]))
            place += len(scaling.names)
        return found
