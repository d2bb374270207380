"""Judge how often intervals hold a known truth, as methods 7 does, and print what was found.

``pytest -m slow -rP`` shows what the tests that pass have printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Z_99 = 2.576


def require_coverage(held: Mapping[str, float], n_runs: int) -> None:
    """Require that the 99% Monte Carlo interval of each share reaches into 93-97%."""
    for name, share in held.items():
        print(f"{name}: {100 * share:.1f}% of {n_runs:,} intervals hold the truth")
    for name, share in held.items():
        error = Z_99 * np.sqrt(share * (1 - share) / n_runs)
        assert share + error >= 0.93, (name, share)
        assert share - error <= 0.97, (name, share)


def require_small_bias(
    off: Mapping[str, float], n_runs: int, spread: Mapping[str, float] | None = None
) -> None:
    """Require that the 99% Monte Carlo interval of each bias reaches into 0.1 standard errors.

    Parameters
    ----------
    off : mapping
        Mean estimate minus truth, in mean standard errors.
    n_runs : int
        Simulations.
    spread : mapping, optional
        Standard deviation of the estimates, in mean standard errors; 1 where it is not given.
    """
    errors = {name: (spread or {}).get(name, 1.0) / np.sqrt(n_runs) for name in off}
    for name, bias in off.items():
        print(f"{name}: bias {bias:+.3f} standard errors, Monte Carlo error {errors[name]:.3f}")
    for name, bias in off.items():
        assert abs(bias) - Z_99 * errors[name] <= 0.1, (name, bias)


def shares_held(runs: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    """Give the share of the simulations in which each interval held the truth."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
