"""Solve for the outgoing weights, and linearise what is left: the steps of variable projection.

With H the activations (and ones for a bias), P the projection onto the orthogonal complement of
their span, R = P Y and G the derivatives of the activations, Kaufman's Jacobian (BIT 15, 1975) for
output k is

    J_k = -(P G) * c_k,   with slope sum_k J_k^T R_k and matrix sum_k J_k^T J_k.

For a reduced network the coordinates are tangent: d - 1 of them for each w, and one for b.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...domains import Ball, Hull
from ...networks.activations import activation_named
from ...networks.network import Network
from ...numerics import sphere
from ...reduced_space.intervals import LayerSpace
from ...reduced_space.reduced_network import ReducedNetwork
from ..coordinates import CLEARANCE
from ..monitor import NotFinite

RCOND = 1e-10
FIRST_DAMPING, DAMPING_UP, DAMPING_DOWN, LEAST_DAMPING = 1e-2, 4.0, 5.0, 1e-9
TRIES = 25


class Solved(NamedTuple):
    """Hidden parameters with their best outgoing weights."""

    W: Array
    b: Array
    C: Array
    """(n_neurons or n_neurons + 1, n_outputs): one row for each column of activations."""
    basis: Array
    """Orthonormal basis (n_samples, rank) of the activations' span."""
    active: np.ndarray
    """Whether each neuron is active at each sample, (n_samples, n_neurons)."""
    residual: Array
    loss: float


class Projection:
    """The least squares problem of networks of one shape on fixed samples.

    Parameters
    ----------
    network : Network or ReducedNetwork
    X : array (n_samples, n_inputs)
    Y : array (n_samples, n_outputs)
    sample_weight : array (n_samples,), optional
        Of mean 1. For weighted least squares, every row is multiplied by the root of its weight.

    Attributes
    ----------
    Y : array (n_samples, n_outputs)
        The responses, with their rows multiplied by these roots.
    """

    def __init__(
        self, network: Network, X: Array, Y: Array, sample_weight: Array | None = None
    ) -> None:
        u = np.ones(len(X)) if sample_weight is None else np.sqrt(sample_weight)
        self.roots = u[:, np.newaxis]
        self.X, self.Y, self.bias = X, Y * self.roots, network.output_bias is not None
        self.network = network
        self.space = network.layer_spaces[0] if isinstance(network, ReducedNetwork) else None

    def candidate_space(self) -> LayerSpace:
        """Return the space to draw candidates from: the network's, or that of the samples' hull."""
        if self.space is not None:
            return self.space
        several = (self.X != self.X[0]).any()
        domain = Hull(self.X) if several else Ball(self.X[0], 1.0)
        return LayerSpace(domain, activation_named("relu"), "support")

    def columns(self, W: Array, b: Array) -> tuple[Array, np.ndarray]:
        """Return the weighted activations, with a last column for a bias, and the mask Z > 0."""
        Z = self.X @ W.T + b
        A = np.maximum(Z, 0.0)
        H = np.column_stack([A, np.ones(len(A))]) if self.bias else A
        return H * self.roots, Z > 0.0

    def solve(self, W: Array, b: Array) -> Solved:
        """Solve for the outgoing weights at hidden parameters W, b."""
        H, active = self.columns(W, b)
        scales = np.sqrt(np.einsum("ij,ij->j", H, H))
        scales[scales == 0.0] = 1.0
        U, s, V = np.linalg.svd(H / scales, full_matrices=False)
        rank = int((s > RCOND * s[0]).sum())
        basis = U[:, :rank]
        coefficients = basis.T @ self.Y
        C = (V[:rank].T @ (coefficients / s[:rank, np.newaxis])) / scales[:, np.newaxis]
        residual = self.Y - basis @ coefficients
        loss = float(np.einsum("ij,ij->", residual, residual)) / len(self.Y)
        return Solved(W, b, C, basis, active, residual, loss)

    def directions(self, W: Array) -> Array:
        """Return orthonormal directions for each row to move along, (n_neurons, k, n_inputs).

        For a reduced network they span the tangent space of the sphere, k = n_inputs - 1; else
        R^n_inputs.
        """
        if self.space is None:
            return np.broadcast_to(np.eye(W.shape[1]), (len(W), W.shape[1], W.shape[1]))
        return tangent_basis(W)

    def derivatives(self, solved: Solved, directions: Array) -> Array:
        """Return the derivatives of the weighted activations along the directions and by b.

        Their shape is (n_samples, n_neurons, k + 1).
        """
        moves = np.einsum("id,jkd->ijk", self.X, directions)
        parts = np.concatenate([moves, np.ones((*moves.shape[:2], 1))], axis=2)
        return parts * (solved.active * self.roots)[:, :, np.newaxis]

    def linearise(self, solved: Solved, directions: Array) -> tuple[Array, Array]:
        """Return P G, (n_samples, p), and sum_k J_k^T R_k, (p,), p the number of variables.

        Raises
        ------
        NotFinite
            If the loss at this point is not finite.
        """
        if not np.isfinite(solved.loss):
            raise NotFinite
        derivatives = self.derivatives(solved, directions)
        by_neuron = solved.C[:derivatives.shape[1]]
        slope = -np.einsum("ijk,jo,io->jk", derivatives, by_neuron, solved.residual).ravel()
        G = derivatives.reshape(len(derivatives), -1)
        return G - solved.basis @ (solved.basis.T @ G), slope

    def equations(
        self, solved: Solved, PG: Array, slope: Array, free: np.ndarray
    ) -> DampedEquations | DualEquations:
        """Return the damped equations for the free variables, by whichever system is smaller."""
        n_outputs, k = self.Y.shape[1], PG.shape[1] // len(solved.b)
        by_variable = np.repeat(solved.C[:len(solved.b)], k, axis=0)
        if not free.all():
            PG, by_variable, slope = PG[:, free], by_variable[free], slope[free]
        if len(PG) * n_outputs < len(slope):
            J = np.concatenate([PG * -c for c in by_variable.T])
            return DualEquations(J, solved.residual.T.ravel())
        return DampedEquations((PG.T @ PG) * (by_variable @ by_variable.T), slope)

    def gradient_norm(self, slope: Array) -> float:
        """Return the norm of the loss's gradient, 2 / n_samples |slope| (0 by outgoing weights)."""
        return 2.0 / len(self.Y) * float(np.linalg.norm(slope))

    def move(
        self, solved: Solved, directions: Array, step: Array, limits: Array | None
    ) -> tuple[Array, Array]:
        """Return the hidden parameters after the step; for a reduced network, within its space."""
        step = step.reshape(len(solved.W), -1)
        W = solved.W + np.einsum("jk,jkd->jd", step[:, :-1], directions)
        b = solved.b + step[:, -1]
        if self.space is None or limits is None:
            return W, b
        W, norms = sphere.normalise(W)
        low, high = self.space.intervals(W).T
        width = high - low
        return W, np.clip(b / norms, low + limits[0] * width, low + limits[1] * width)

    def position_limits(self, W: Array, b: Array) -> Array | None:
        """Return the limits of each threshold's position in its interval, (2, n_neurons).

        In a support interval they keep a distance from 0 and 1, so that no neuron dies, unless the
        neuron starts closer.
        """
        if self.space is None:
            return None
        low, high = self.space.intervals(W).T
        positions = np.where(high > low, (b - low) / np.where(high > low, high - low, 1.0), 0.5)
        clearance = CLEARANCE if self.space.bound == "support" else 0.0
        least = np.clip(positions, 0.0, clearance)
        return np.stack([least, np.clip(positions, 1.0 - clearance, 1.0)])

    def at_active_bounds(self, solved: Solved, slope: Array, limits: Array | None) -> np.ndarray:
        """Return a mask of the thresholds that descent would push beyond a limit."""
        frozen = np.zeros((len(solved.b), len(slope) // len(solved.b)), dtype=bool)
        if self.space is not None and limits is not None:
            low, high = self.space.intervals(solved.W).T
            margin = 1e-12 * (high - low)
            by_threshold = slope.reshape(frozen.shape)[:, -1]
            at_low = solved.b <= low + limits[0] * (high - low) + margin
            at_high = solved.b >= low + limits[1] * (high - low) - margin
            frozen[:, -1] = (at_low & (by_threshold > 0.0)) | (at_high & (by_threshold < 0.0))
        return frozen.ravel()

    def solve_at(self, vector: Array) -> Solved:
        """Solve for the outgoing weights at the hidden parameters of a flat vector."""
        hidden, _ = self.network.layout.blocks(np.array(vector))
        return self.solve(hidden[:-1].T, hidden[-1])

    def vector(self, solved: Solved) -> Array:
        """Return the flat vector of the network."""
        theta = self.network.to_vector()
        hidden, outgoing = self.network.layout.blocks(theta)
        hidden[:-1], hidden[-1] = solved.W.T, solved.b
        outgoing[...] = solved.C
        return theta


def tangent_basis(W: Array) -> Array:
    """Return orthonormal bases of the tangent spaces at unit rows, (n_rows, n - 1, n).

    The Householder reflection that maps w to -e_1 or e_1 maps e_2, ..., e_n to such a basis.

    Examples
    --------
    >>> bases = tangent_basis(np.array([[0.6, 0.8]]))
    >>> abs(bases[0] @ [0.6, 0.8]).max() < 1e-15
    np.True_
    """
    n = W.shape[1]
    v = W.copy()
    v[:, 0] += np.where(W[:, 0] >= 0.0, 1.0, -1.0)
    v /= np.sqrt(np.einsum("ij,ij->i", v, v))[:, np.newaxis]
    return np.eye(n)[1:] - 2.0 * v[:, 1:, np.newaxis] * v[:, np.newaxis, :]


def growth_without(H: Array, C: Array) -> Array:
    """Return by how much the squared error grows without each column of H, the rest solved again.

    It grows by |c_j|^2 / (H^T H)^-1_jj, and (H^T H)^-1_jj is the squared norm of row j of the
    pseudo-inverse of H. For a column in the span of the others the growth is 0. The pseudo-inverse
    does not show these columns, but sum_k V_kj^2 < 1 does, with V the right singular vectors of
    positive singular values.
    """
    scales = np.sqrt(np.einsum("ij,ij->j", H, H))
    scales[scales == 0.0] = 1.0
    _, s, V = np.linalg.svd(H / scales, full_matrices=False)
    rank = int((s > RCOND * s[0]).sum())
    V, s = V[:rank], s[:rank, np.newaxis]
    needed = np.einsum("kj,kj->j", V, V) > 1.0 - 1e-8
    lengths = np.where(needed, ((V / s) ** 2).sum(axis=0), 1.0)
    growth: Array = np.where(needed, np.einsum("jo,jo->j", C, C) * scales**2 / lengths, 0.0)
    return growth


class DampedEquations:
    """(A + damping D) step = -slope with A = J^T J, for any number of dampings.

    D is the diagonal matrix of `diagonal`, entries at least those of A; by default those of A.
    Entries near 0 are raised. What does not depend on the damping is computed once.

    Parameters
    ----------
    matrix : array (p, p)
        A.
    slope : array (p,)
        J^T r, r the residuals.
    diagonal : array (p,), optional
    """

    def __init__(self, matrix: Array, slope: Array, diagonal: Array | None = None) -> None:
        own = np.diag(matrix)
        diagonal = own if diagonal is None else diagonal
        raised = _raised(diagonal)
        self._scale = 1.0 / np.sqrt(raised)
        self._matrix = matrix * self._scale * self._scale[:, np.newaxis]
        np.fill_diagonal(self._matrix, np.where(diagonal < raised, 1.0, own / raised))
        self._slope = self._scale * slope

    def step(self, damping: float) -> Array:
        """Return the step by Cholesky."""
        return -self._scale * _solve_shifted(self._matrix, damping, self._slope)


class DualEquations:
    """The same equations where J has fewer rows than columns, by a system of its number of rows.

    With B = J D^(-1/2),

        step = -D^(-1/2) B^T z,    (B B^T + damping I) z = r

    since (B^T B + damping I) B^T = B^T (B B^T + damping I). Columns of J whose entry of D is raised,
    those of dead neurons, do not move.

    Parameters
    ----------
    J : array (m, p)
        It is overwritten by B.
    residual : array (m,)
    diagonal : array (p,), optional
    """

    def __init__(self, J: Array, residual: Array, diagonal: Array | None = None) -> None:
        diagonal = np.einsum("ij,ij->j", J, J) if diagonal is None else diagonal
        raised = _raised(diagonal)
        self._scale = np.where(diagonal < raised, 0.0, 1.0 / np.sqrt(raised))
        self._B, self._residual = np.multiply(J, self._scale, out=J), residual
        self._matrix = self._B @ self._B.T

    def step(self, damping: float) -> Array:
        """Return the step by Cholesky."""
        z = _solve_shifted(self._matrix, damping, self._residual)
        return -self._scale * (z @ self._B)


def _raised(diagonal: Array) -> Array:
    """Return the diagonal with entries near 0 raised."""
    raised: Array = np.maximum(diagonal, 1e-12 * diagonal.max(initial=0.0) + np.finfo(float).tiny)
    return raised


def _solve_shifted(matrix: Array, damping: float, right: Array) -> Array:
    """Return (matrix + damping I)^-1 right by Cholesky; more is added if rounding makes it fail."""
    from scipy.linalg import cho_factor, cho_solve

    if not len(right):
        return right  # older SciPy refuses systems without unknowns
    shifted = matrix.copy()
    diagonal = np.einsum("ii->i", shifted)  # a view
    diagonal += damping
    try:
        factor = cho_factor(shifted, check_finite=False)
    except np.linalg.LinAlgError:
        diagonal += 1e-8
        factor = cho_factor(shifted, check_finite=False)
    solution: Array = cho_solve(factor, right, check_finite=False)
    return solution
