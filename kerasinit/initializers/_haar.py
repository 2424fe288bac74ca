"""Random orthogonal matrices with exactly the Haar distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops, random

from kerasinit import _backend
from kerasinit._typing import SeedLike, Shape, Tensor

SMALL_DRAW = 2**16  # entries, as of 256 x 256; up to here fewer operations beat faster ones
SMALLEST_BLOCK = 256  # columns; below it one block is faster than several
MAX_BLOCKS = 4  # more blocks save few operations and lengthen the traced graph
TINY = 1e-18  # in place of a draw of exactly 0; its square is still a normal float32


def haar(shape: Shape, *, seed: SeedLike, dtype: str = "float32") -> Tensor:
    """Draws semi-orthogonal matrices, uniformly over all of them (the Haar measure).

    A small draw is the Q of a QR factorisation with a positive diagonal of R (Mezzadri): few
    operations, whose number is what counts then. A larger matrix is a product of random
    Householder reflections of vectors of decreasing length (Stewart), gathered in a few compact WY
    blocks `I - V T^-1 V'`, so that nearly all work is matrix products: several times faster than a
    QR factorisation on a CPU, and well suited to accelerators. Both are traceable, and every draw
    comes from `seed`; there is no state.

    Args:
        shape: `(*batch, rows, columns)`; each matrix of the batch is drawn independently.
        seed: Seed of `keras.random`; an int gives the same values at each call.
        dtype: `"float32"` or `"float64"`. Cast the result for half precision.

    Returns:
        Tensor of `shape` (dimensionless): `Q'Q = I` if `rows >= columns`, else `QQ' = I`.

    Source: Stewart, 1980, "The efficient generation of random orthogonal matrices",
    https://doi.org/10.1137/0717034; Mezzadri, 2007, section 5 (QR, the signs),
    https://arxiv.org/abs/math-ph/0609050; Joffrain et al., 2006 (the triangle T),
    https://doi.org/10.1145/1141885.1141886

    >>> q = haar((4, 2), seed=1)
    >>> [[round(abs(float(x)), 4) for x in row] for row in ops.matmul(ops.transpose(q), q)]
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return _backend.compiled(_draw)(_backend.seed_tensor(seed), shape, dtype)


def _draw(seed: Any, shape: Shape, dtype: str) -> Tensor:
    """Factors normal numbers as a high matrix; a wide one is the transpose of that."""
    *batch, rows, columns = shape
    high = (*batch, max(rows, columns), min(rows, columns))
    factor = _by_qr if math.prod(shape) <= SMALL_DRAW else _by_reflections
    orthogonal = factor(random.normal(high, dtype=dtype, seed=seed))
    return ops.swapaxes(orthogonal, -1, -2) if rows < columns else orthogonal


def _by_qr(gaussian: Tensor) -> Tensor:
    """The Q of the one factorisation `gaussian = QR` whose R has a positive diagonal."""
    orthogonal, triangle = ops.qr(gaussian)
    signs = ops.sign(ops.diagonal(triangle, axis1=-2, axis2=-1) + TINY)
    return orthogonal * ops.expand_dims(signs, -2)


def _by_reflections(gaussian: Tensor) -> Tensor:
    """The first columns of a product of reflections, one for each column of `gaussian`."""
    columns = gaussian.shape[-1]
    vectors, signs = _reflectors(gaussian)
    num_blocks = min(MAX_BLOCKS, math.ceil(columns / SMALLEST_BLOCK))
    size = math.ceil(columns / num_blocks)
    product = None  # the columns built so far, without the identity rows and columns above
    for start in reversed(range(0, columns, size)):
        product = _apply_block(vectors[..., start:, start : start + size], product)
    return product * signs


def _reflectors(gaussian: Tensor) -> tuple[Tensor, Tensor]:
    """Householder vectors of squared length 2, and the signs that make the product Haar.

    Column j reflects the first unit vector onto the direction of `x = gaussian[j:, j]`, up to
    the sign that avoids cancellation; that sign is undone on column j of the product.
    """
    eye = ops.eye(*gaussian.shape[-2:], dtype=gaussian.dtype)
    # Not `ops.tril`, which Keras 3.8 cannot trace on TensorFlow.
    lower = ops.where(_is_lower(*gaussian.shape[-2:]), gaussian, 0.0) + TINY * eye
    length = ops.sqrt(ops.sum(ops.square(lower), axis=-2))
    first = ops.diagonal(lower, axis1=-2, axis2=-1)
    signs = ops.expand_dims(ops.sign(first), -2)
    norm = ops.expand_dims(ops.sqrt(length * (length + ops.abs(first))), -2)
    return (lower + (signs * ops.expand_dims(length, -2)) * eye) / norm, -signs


def _is_lower(rows: int, columns: int) -> np.ndarray:
    """Where a matrix has its lower triangle, diagonal included."""
    return np.tri(rows, columns, dtype=bool)


def _apply_block(vectors: Tensor, product: Tensor | None) -> Tensor:
    """Multiplies the reflections of one block onto the columns to its right and its own.

    Args:
        vectors: `(*batch, rows, size)`, lower trapezoidal, columns of squared length 2.
        product: `(*batch, rows - size, columns)` of the blocks to the right, None if last.

    Returns:
        `(*batch, rows, size + columns)`.
    """
    size = vectors.shape[-1]
    top, bottom = vectors[..., :size, :], vectors[..., size:, :]
    transposed = ops.swapaxes(vectors, -1, -2)
    eye = ops.eye(size, dtype=vectors.dtype)
    # `@`, not `ops.matmul`, which computes in float32 on torch.
    # H_1 ... H_size = I - V T^-1 V' with T = I + the strict upper triangle of V'V. The entries of
    # T and of its inverse are at most 2 (inner products of vectors of squared length 2). The
    # diagonal of V'V as computed would cost a digit.
    triangle = ops.where(_is_lower(size, size).T, transposed @ vectors, 0.0) * (1 - eye) + eye
    right = ops.swapaxes(top, -1, -2)
    if product is not None:
        below = ops.swapaxes(bottom, -1, -2) @ product
        right = ops.concatenate([right, below], axis=-1)
    moved = vectors @ ops.solve_triangular(triangle, right)
    if product is None:
        return ops.eye(*vectors.shape[-2:], dtype=vectors.dtype) - moved
    pad = [(0, 0)] * (len(vectors.shape) - 2)
    start = ops.pad(ops.broadcast_to(eye, top.shape), [*pad, (0, 0), (0, product.shape[-1])])
    rest = ops.pad(product, [*pad, (0, 0), (size, 0)])
    return ops.concatenate([start, rest], axis=-2) - moved
