"""Low-rank products: sums of them without loss, and the nearest product of a smaller rank.

By Eckart and Young (1936) the singular value decomposition, cut at a rank, is the nearest matrix of that rank in the
Frobenius norm. Of a product b @ a with few columns it needs two thin QR factorisations and a decomposition of [rank, rank].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rumpun.weights.quantise import Float

__all__ = ["Factors", "apart", "dense_cut", "joined", "padded", "product_cut", "stored"]

Wide = npt.NDArray[np.float64]
_HALF_MAX: Final = 65504.0


@dataclass(frozen=True, slots=True)
class Factors:
    """A matrix [out, in] as scale * b @ a."""

    a: npt.NDArray[np.floating]  # [rank, in]
    b: npt.NDArray[np.floating]  # [out, rank]
    scale: float = 1.0


def joined(parts: Sequence[Factors], scale: float) -> Factors:
    """The sum of products as one product of the ranks' sum, at this scale; nothing is lost but what float32 rounds."""
    a = np.concatenate([part.a.astype(np.float32) for part in parts])
    b = np.concatenate([part.b.astype(np.float32) * np.float32(part.scale / scale) for part in parts], axis=1)
    return Factors(a, b, scale)


def padded(factors: Factors, rank: int) -> Factors:
    """The same product with zeros up to this rank."""
    more = rank - factors.a.shape[0]
    return Factors(
        np.pad(factors.a, ((0, more), (0, 0))), np.pad(factors.b, ((0, 0), (0, more))), factors.scale
    )


def product_cut(factors: Factors, rank: int) -> Factors:
    """The nearest product of this rank at most, its two sides of one size."""
    b, a = factors.b.astype(np.float64), factors.a.astype(np.float64)
    left, upper = np.linalg.qr(b)
    right, lower = np.linalg.qr(a.T)
    u, sizes, v = np.linalg.svd(upper @ lower.T * factors.scale, full_matrices=False)
    root = np.sqrt(sizes[:rank])
    return Factors((root[:, None] * v[:rank]) @ right.T, left @ (u[:, :rank] * root))


def dense_cut(matrix: Float, rank: int) -> Factors:
    """The nearest product of this rank at most to a matrix [out, in].

    From the eigenvectors of the smaller of m mᵀ and mᵀ m in float64: singular values below 1e-8 of the largest are
    noise then, which no layer keeps.
    """
    if matrix.shape[0] < matrix.shape[1]:
        turned = dense_cut(matrix.T, rank)
        return Factors(turned.b.T, turned.a.T)
    whole = matrix.astype(np.float64)
    squares, vectors = np.linalg.eigh(whole.T @ whole)  # ascending
    kept = vectors[:, ::-1][:, :rank]
    sizes = np.sqrt(np.maximum(squares[::-1][:rank], 0.0))
    root = np.where(sizes > 0, np.sqrt(np.where(sizes > 0, sizes, 1.0)), 1.0)
    return Factors((kept * root).T, whole @ kept / root)


def apart(one: Factors, two: Factors) -> tuple[float, float]:
    """(squared Frobenius norm of one - two, of one), without forming either matrix; sums in float64."""
    b = np.concatenate([one.b.astype(np.float64) * one.scale, -two.b.astype(np.float64) * two.scale], axis=1)
    a = np.concatenate([one.a.astype(np.float64), two.a.astype(np.float64)])
    rank = one.a.shape[0]
    grams = (b.T @ b) * (a @ a.T)
    return max(0.0, float(grams.sum())), float(grams[:rank, :rank].sum())


def stored(side: npt.NDArray[np.floating], *, exact: bool = False) -> npt.NDArray[np.floating]:
    """float16 where it can hold the numbers (all of them exactly, if asked for), else float32."""
    wide = side.astype(np.float32)
    if not np.abs(wide).max(initial=0.0) <= _HALF_MAX:
        return wide
    half = wide.astype(np.float16)
    return wide if exact and not np.array_equal(half.astype(np.float32), wide) else half
