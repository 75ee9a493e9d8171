"""How large a true difference must be to be found: for a table that exists, and for one that is planned."""

import numpy as np
from scipy.special import nctdtrinc

from rlvr_bench.stats.random_effects import Floats, Variance, half_width, pooled_df


def detectable_difference(variance: Variance, alpha: float, power: float = 0.8) -> Floats:
    """Return the true difference that is found at level `alpha` in a share `power` of repetitions.

    From the noncentral t distribution with Satterthwaite's degrees of freedom; same shape as the variance's parts. 0
    where there is no variance.

    Args:
        variance: of the estimated difference.
        alpha: two-sided level of this one difference.
    """
    between_seeds = np.asarray(np.maximum(variance.seeds - variance.residual, 0.0))
    df = pooled_df(
        between_seeds, np.asarray(variance.seed_df), np.asarray(variance.problems), np.asarray(variance.problem_df)
    )
    error = np.sqrt(variance.total())
    threshold = np.divide(half_width(variance, alpha), error, out=np.zeros_like(error), where=error > 0)
    return np.asarray(nctdtrinc(df, 1 - power, threshold) * error)


def planned_variance(seeds: int, problems: int, seed_sd: float, problem_sd: float, residual_sd: float) -> Variance:
    """Return the variance that the difference of two methods will have, for `detectable_difference`.

    Args:
        seeds: of each method, two or more.
        problems: in the test split, two or more.
        seed_sd: standard deviation of a method's accuracy over seeds, as on endlessly many problems.
        problem_sd: standard deviation over problems of the two methods' difference, as over endlessly many seeds.
        residual_sd: standard deviation of one outcome around what its seed and its problem explain, at most 0.5.

    Raises:
        ValueError: fewer than two seeds or problems.
    """
    if min(seeds, problems) < 2:
        raise ValueError(f"{seeds} seeds and {problems} problems show no spread; plan two or more of each")
    residual = 2 * residual_sd**2 / (seeds * problems)
    return Variance(
        problems=np.float64(problem_sd**2 / problems + residual),
        problem_df=problems - 1,
        seeds=np.float64(2 * seed_sd**2 / seeds + residual),
        residual=np.float64(residual),
        seed_df=np.float64(2 * (seeds - 1)),
    )
