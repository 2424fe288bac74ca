"""Growth of signals and gradients in nets with shortcuts, normalization or scaled branches."""

from __future__ import annotations

import math
from typing import Any

from kerasinit.theory._activations import resolve
from kerasinit.theory._finite_width import check_size
from kerasinit.theory._quadrature import expectation

CONSTANT = 1e-20  # a variance below this is rounding


def residual_growth(depth: int, *, branch_scale: float = 1.0, normalized: bool = False) -> float:
    """Factor by which the variance grows through residual blocks `x + branch_scale * F(x)`.

    Args:
        depth: Residual blocks.
        branch_scale: Factor on a branch that keeps the variance of its input.
        normalized: Whether a normalization at its start gives each branch a unit-variance input
            (pre-activation BatchNorm or LayerNorm). The variance then grows by a constant
            instead of a factor; the factor is relative to a unit-variance input.

    Returns:
        The factor, dimensionless: `(1 + branch_scale^2)^depth`, or
        `1 + depth * branch_scale^2` if normalized.

    Raises:
        ValueError: If `depth` is not a positive integer or `branch_scale` is not finite.

    Source: De and Smith, 2020, section 2, https://arxiv.org/abs/2002.10444

    >>> residual_growth(10), residual_growth(10, normalized=True)
    (1024.0, 11.0)
    """
    check_size("depth", depth)
    if not math.isfinite(branch_scale):
        raise ValueError(
            f"`branch_scale` must be a finite number. Received: branch_scale={branch_scale!r}."
        )
    if normalized:
        return 1 + depth * branch_scale**2
    return math.exp(min(depth * math.log1p(branch_scale**2), 709.0))


def branch_scale(depth: int, *, growth: float = math.e) -> float:
    """Factor on every residual branch that lets the variance grow by `growth` over all blocks.

    Args:
        depth: Residual blocks.
        growth: Allowed growth of the variance over the whole net.

    Returns:
        The factor, dimensionless; about `sqrt(ln(growth) / depth)`.

    Raises:
        ValueError: If `depth` is not a positive integer or `growth` is below 1.

    Source: De and Smith, 2020, section 2, https://arxiv.org/abs/2002.10444

    >>> scale = branch_scale(100)
    >>> round(residual_growth(100, branch_scale=scale), 10) == round(math.e, 10)
    True
    """
    check_size("depth", depth)
    if not (math.isfinite(growth) and growth >= 1):
        raise ValueError(f"`growth` must be a finite number >= 1. Received: growth={growth!r}.")
    return math.sqrt(math.expm1(math.log(growth) / depth))


def batch_norm_growth(activation: Any, batch_size: int | None = None) -> float:
    """Factor by which the squared gradient grows per layer `phi(BatchNorm(W x))`.

    It is never below 1, whatever the weight scale: BatchNorm itself makes deep plain nets explode.

    Args:
        activation: Whatever `resolve` takes.
        batch_size: Samples per batch; None for an infinite batch.

    Returns:
        `E f'^2 / Var f`, times `(B - 2) / (B - 3)` for B samples, dimensionless. Exact for an
        infinite batch and for linear nets; for ReLU within 3 % of simulations with B >= 8.

    Raises:
        ValueError: If `batch_size` is below 4, where the factor is infinite, or the activation
            is constant.

    Source: Yang et al., 2019, https://arxiv.org/abs/1902.08129

    >>> round(batch_norm_growth("relu"), 6) == round(math.pi / (math.pi - 1), 6)
    True
    """
    resolved = resolve(activation)
    mean = expectation(resolved.function, kinks=resolved.kinks)
    variance = expectation(lambda u: (resolved.function(u) - mean) ** 2, kinks=resolved.kinks)
    slope = expectation(lambda u: resolved.derivative(u) ** 2, kinks=resolved.kinks)
    if not variance > CONSTANT:
        raise ValueError(
            f"{resolved.name!r} is constant on a standard normal input: it has no gradient. "
            f"Received: activation={activation!r}."
        )
    if batch_size is None:
        return slope / variance
    check_size("batch_size", batch_size)
    if batch_size < 4:
        raise ValueError(
            "The mean squared gradient through BatchNorm is infinite below 4 samples. "
            f"Received: batch_size={batch_size!r}."
        )
    return slope / variance * (batch_size - 2) / (batch_size - 3)
