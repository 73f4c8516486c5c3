"""Redundant, unique and synergistic information of two variables about a third, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.errors import DataError, ShapeError
from affect.metrics import Array


@dataclass(frozen=True)
class Interactions:
    """What two variables say about a target, in bits.

    What the first says is `redundancy + unique_first`, what the second says `redundancy + unique_second`, and
    what both say together is the sum of all four.

    Args:
        redundancy: what each of them says.
        unique_first: what the first says and the second does not.
        unique_second: what the second says and the first does not.
        synergy: what neither says, but both together do.
    Example:
        >>> found = Interactions(0.5, 0.25, 0.0, 0.125)
        >>> found.first, found.second, found.both
        (0.75, 0.5, 0.875)
    """

    redundancy: float
    unique_first: float
    unique_second: float
    synergy: float

    @property
    def first(self) -> float:
        """The mutual information of the first variable and the target."""
        return self.redundancy + self.unique_first

    @property
    def second(self) -> float:
        """The mutual information of the second variable and the target."""
        return self.redundancy + self.unique_second

    @property
    def both(self) -> float:
        """The mutual information of both variables together and the target."""
        return self.redundancy + self.unique_first + self.unique_second + self.synergy

    @classmethod
    def of(cls, parts: Array) -> Interactions:
        """From an array of the four, in the order above.

        Args:
            parts: the four numbers.
        Shapes:
            parts: (4,)
        Example:
            >>> Interactions.of(np.array([0.5, 0.25, 0.0, 0.125])).synergy
            0.125
        """
        return cls(*np.asarray(parts, np.float64).tolist())


def of_table(p: ArrayLike) -> Interactions:
    """The decomposition of a table of probabilities, exactly.

    Among all tables q with the same p(x1, y) and p(x2, y), one has the least information I_q(y; x1, x2). What
    it has beyond I(y; x2) is unique to the first, what it has beyond I(y; x1) unique to the second, and what
    p has beyond it is synergy. The least is found by Newton's method inside the polytope of these tables,
    with a barrier: what is returned is at most 1.5e-7 bits off, beside rounding. Nothing is clipped.

    Also known as: partial information decomposition (PID), BROJA, ~I_vk.

    Args:
        p: how probable, or how frequent, is each triple of values.
    Shapes:
        p: (values of the first, values of the second, values of the target)
    Raises:
        ShapeError: the table has not three axes.
        DataError: an entry is negative, NaN or infinite, or all are zero.
    Reference:
        Bertschinger et al., Quantifying Unique Information, Entropy 2014, eq. 1-8.
        Differs: the convex problem is solved by a barrier method, as Makkeh et al., BROJA-2PID, Entropy 2018,
        do with a cone program.
    Example:
        >>> xor = np.zeros((2, 2, 2))
        >>> for x1, x2 in np.ndindex(2, 2):
        ...     xor[x1, x2, x1 ^ x2] = 1 / 4
        >>> round(of_table(xor).synergy, 6), round(of_table(xor).redundancy, 6)
        (1.0, 0.0)
    """
    table = np.asarray(p, np.float64)
    if table.ndim != 3 or not table.size:
        raise ShapeError(
            "of_table: expected a table of shape (values of the first, values of the second, values of the "
            f"target), got {table.shape}"
        )
    wrong = ""
    if not np.isfinite(table).all():
        wrong = "NaN or infinite values"
    elif (table < 0).any():
        wrong = "negative numbers"
    elif not table.any():
        wrong = "zeros alone"
    if wrong:
        raise DataError(f"of_table: expected probabilities or counts, at least one above zero, got {wrong}")
    table = table / table.sum()
    return Interactions.of(decomposed(table.sum(1), table.sum(0), table.reshape(-1, table.shape[2])))


def decomposed(first: Array, second: Array, both: Array, gap: float = 1e-7) -> Array:
    """The four parts, in bits, from what each variable shares with the target.

    Args:
        first: p(x1, y).
        second: p(x2, y).
        both: p(x, y), where x is both variables, or any variable made of both.
        gap: what I_q may be above the least, in nats.
    Shapes:
        first: (k1, targets), second: (k2, targets), both: (k, targets) -> (4,)
    """
    least = least_information(first, second, gap)
    one, other = information(first), information(second)
    parts = np.array([one + other - least, least - other, least - one, information(both) - least])
    return np.asarray(parts / np.log(2))


def information(table: Array) -> float:
    """The mutual information of rows and columns, in nats.

    Args:
        table: probabilities.
    Shapes:
        table: (values, targets)
    Example:
        >>> float(round(information(np.eye(2) / 2) / np.log(2), 6))
        1.0
    """
    there = table > 0
    apart = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    return float((table[there] * np.log(table[there] / apart[there])).sum())


def least_information(first: Array, second: Array, gap: float = 1e-7) -> float:
    """The least I_q(y; x1, x2), in nats, of all tables q with these p(x1, y) and p(x2, y).

    I_q = sum q log(q / q(x1, x2)) + H(y) is convex in q. It is minimised with the barrier
    -mu sum m log q, where m = p(x1, y) p(x2, y) / p(y) is the table to begin with: the minimum with a barrier
    is mu above the least at most, as m sums to one. The Hessian is a block for each (x1, x2), a diagonal less
    a matrix of rank one, so that a step of Newton's method costs one linear system with a row for each entry
    of the two marginals.

    Args:
        first: p(x1, y).
        second: p(x2, y).
        gap: what the result may be above the least.
    Shapes:
        first: (k1, targets), second: (k2, targets)
    """
    said = (first.sum(0) > 0) & (second.sum(0) > 0)
    first, second = (own[own.sum(1) > 0][:, said] for own in (first, second))
    if min(len(first), len(second), said.sum()) < 2:
        return max(information(first), information(second))
    start = first[:, None] * second[None] / first.sum(0)  # (k1, k2, targets)
    there = start > 0
    rows = np.concatenate([first, second]) > 0
    rows[len(first) + second.argmax(0), np.arange(second.shape[1])] = False  # follows from the others
    q, mu = start, 0.1
    while True:
        for _ in range(_STEPS):
            try:
                step, gain = _newton(q, mu * start, there, first, second, np.flatnonzero(rows))
            except np.linalg.LinAlgError:  # no more than rounding is left
                break
            if gain < mu * _CLOSE:
                break
            falls = step < 0
            length = min(1.0, 0.99 * (q[falls] / -step[falls]).min()) if falls.any() else 1.0
            value = _barred(q, mu * start, there)
            while length > _SHORT and not (
                _barred(q + length * step, mu * start, there) < value - 1e-4 * length * gain
            ):
                length /= 2
            if length <= _SHORT:  # the same
                break
            q = q + length * step
        if mu <= gap:
            break
        mu = max(mu / 10, gap)
    return information(q.reshape(-1, q.shape[2]))


_STEPS, _CLOSE, _SHORT = 50, 0.01, 1e-8
"""Newton steps for one barrier, the decrement at which it is done, and the shortest step that is tried."""


def _barred(q: Array, weight: Array, there: Array) -> float:
    """The sum of q log(q / q(x1, x2)), with the barrier."""
    own = q[there]
    whole = np.broadcast_to(q.sum(2, keepdims=True), q.shape)[there]
    return float((own * np.log(own / whole) - weight[there] * np.log(own)).sum())


def _newton(
    q: Array, weight: Array, there: Array, first: Array, second: Array, rows: NDArray[np.intp]
) -> tuple[Array, float]:
    """The step, and by how much the value falls along it at first.

    Args:
        q: where it begins.
        weight: of the barrier, by entry.
        there: entries that may be above zero.
        first: what q is to sum to over the second variable.
        second: what q is to sum to over the first variable.
        rows: which of these sums, laid end to end, are asked for.
    Shapes:
        q, weight, there: (k1, k2, c), first: (k1, c), second: (k2, c)
    """
    from scipy import linalg

    k1, k2, classes = q.shape
    own, whole = np.where(there, q, 1.0), q.sum(2, keepdims=True)
    slope = np.where(there, np.log(own / np.where(whole > 0, whole, 1.0)) - weight / own, 0.0)
    # the block of (x1, x2) is diag(1 / scale) - 1 1' / whole, its inverse diag(scale) + scale scale' / rest
    scale = np.where(there, own**2 / (own + weight), 0.0)
    rest = np.where(there, own * weight / (own + weight), 0.0).sum(2, keepdims=True)
    rest = np.where(rest > 0, rest, 1.0)

    def solved(x: Array) -> Array:
        return np.asarray(scale * (x + (scale * x).sum(2, keepdims=True) / rest))

    inverse = scale[..., None] * scale[..., None, :] / rest[..., None]  # (k1, k2, c, c)
    inverse[..., np.arange(classes), np.arange(classes)] += scale
    system = np.zeros((k1 + k2, classes, k1 + k2, classes))
    system[np.arange(k1), :, np.arange(k1), :] = inverse.sum(1)
    system[np.arange(k1, k1 + k2), :, np.arange(k1, k1 + k2), :] = inverse.sum(0)
    system[:k1, :, k1:, :] = inverse.transpose(0, 2, 1, 3)
    system[k1:, :, :k1, :] = inverse.transpose(1, 2, 0, 3)
    matrix = system.reshape((k1 + k2) * classes, -1)[np.ix_(rows, rows)]
    off = np.concatenate([q.sum(1) - first, q.sum(0) - second])
    moved = solved(slope)
    right = (off - np.concatenate([moved.sum(1), moved.sum(0)])).ravel()[rows]
    size = np.sqrt(matrix.diagonal())
    found = np.zeros((k1 + k2) * classes)
    factor = linalg.cho_factor(matrix / size[:, None] / size, check_finite=False)
    found[rows] = linalg.cho_solve(factor, right / size, check_finite=False) / size
    duals = found.reshape(k1 + k2, classes)
    step = -solved(slope + duals[:k1, None] + duals[None, k1:])
    return step, -float((step * slope).sum())
