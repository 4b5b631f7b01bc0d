"""The paper in one file: a network in its standard and in its reduced parameters, by hand.

    N(x) = sum_j c_j s(w_j . x + b_j)  for |x| <= X_B,  where s is the ReLU or the binary step.

    standard space:   w_j anywhere,       b_j anywhere,         c_j anywhere
    reduced space:    |w_j| = 1,          -X_B <= b_j <= X_B,   c_j anywhere

After T. Qin, L. Zhou, D. Xiu, Reducing Parameter Space for Neural Network Training,
arXiv:1805.08340. A row of W is a neuron, a row of X is a sample. Run it with: python the_paper.py
"""
import numpy as np

# ---- The network: the way forward and the way back ----


def activation(Z, kind):
    """Return s(z): the ReLU is max(z, 0), the binary step is 1 where z > 0 and 0 elsewhere."""
    return np.maximum(Z, 0.0) if kind == "relu" else np.where(Z > 0.0, 1.0, 0.0)


def slope(Z, kind):
    """Return s'(z): that of the ReLU is 1 where z > 0, that of the binary step is 0 everywhere."""
    return np.where(Z > 0.0, 1.0, 0.0) if kind == "relu" else np.zeros_like(Z)


def forward(W, b, c, X, kind):
    """Return the outputs N(x_i), and the z_ij and s(z_ij) that the way back needs."""
    Z = X @ W.T + b
    H = activation(Z, kind)
    return H @ c, Z, H


def backward(W, b, c, X, y, kind):
    """Return the mean squared error, and its derivatives with respect to W, b and c."""
    outputs, Z, H = forward(W, b, c, X, kind)
    residual = outputs - y
    loss = np.mean(residual**2)
    delta = 2.0 / len(X) * residual              # the derivative with respect to N(x_i)
    D = np.outer(delta, c) * slope(Z, kind)      # the derivative with respect to z_ij
    return loss, D.T @ X, D.sum(axis=0), H.T @ delta


# ---- The mapping: every standard network has an equal one in the reduced space ----


def normalise(W, b, c, kind):
    """Return the same network with unit rows. (No row may be 0: it has no direction.)

    With u = w / |w|, a neuron is s(|w| (u . x + b / |w|)). The ReLU has s(|w| z) = |w| s(z): the
    outgoing weight takes the factor. The binary step has s(|w| z) = s(z): the factor disappears.
    """
    norms = np.linalg.norm(W, axis=1)
    if kind == "relu":
        c = norms * c
    return W / norms[:, np.newaxis], b / norms, c


def bound_thresholds(W, b, c, X_B, kind):
    """Return a network with thresholds in [-X_B, X_B] that is the same function for |x| <= X_B.

    The rows are unit vectors, so w . x lies in [-X_B, X_B].

    b <= -X_B: the neuron is dead, 0 for every x. With the threshold -X_B it is dead too.

    b > X_B: the neuron is always on. A binary one is 1 for every x. With the threshold X_B it is 1
    too, except at the point x = -X_B w. A ReLU one is w . x + b, and so is the sum of two others:

        w . x + b = A s(w . x + X_B) + B s(-w . x + X_B),
        A = (b/X_B + 1) / 2,    B = (b/X_B - 1) / 2.

    The paper says that the reduced space loses nothing. This formula is our reconstruction of why.
    """
    clipped = np.clip(b, -X_B, X_B)
    if kind == "binary":
        return W, clipped, c
    on = b > X_B
    A = np.where(on, (b / X_B + 1.0) / 2.0, 1.0)
    B = (b[on] / X_B - 1.0) / 2.0
    return np.vstack([W, -W[on]]), np.append(clipped, clipped[on]), np.append(A * c, B * c[on])


def reduce(W, b, c, X_B, kind):
    """Return the network of the reduced space that is the same function for |x| <= X_B."""
    W, b, c = normalise(W, b, c, kind)
    return bound_thresholds(W, b, c, X_B, kind)


# ---- Training: gradient descent in the flat space, and on spheres and intervals ----


def standard_step(W, b, c, X, y, rate, kind):
    """Return the loss, and the network after a step of gradient descent in the standard space."""
    loss, dW, db, dc = backward(W, b, c, X, y, kind)
    return loss, (W - rate * dW, b - rate * db, c - rate * dc)


def reduced_step(W, b, c, X, y, rate, X_B, kind):
    """Return the loss, and the network after a step of gradient descent in the reduced space."""
    loss, dW, db, dc = backward(W, b, c, X, y, kind)
    dW = project(W, dW)
    return loss, retract(W - rate * dW, b - rate * db, c - rate * dc, X_B, kind)


def project(W, dW):
    """Return the part of each row dw that is tangent to the sphere at w: dw - (w . dw) w."""
    along = np.sum(W * dW, axis=1, keepdims=True)
    return dW - along * W


def retract(W, b, c, X_B, kind):
    """Return from where a step has led to the reduced space: unit rows, bounded thresholds.

    `normalise` changes the parameters but not the function, so no scale is lost. Only a threshold
    outside its interval, which is clipped, changes the function.
    """
    W, b, c = normalise(W, b, c, kind)
    return W, np.clip(b, -X_B, X_B), c


# ---- A run: one function, one start, two spaces ----


def main(kind, rate):
    """Print that a network and its reduced one are the same function, and how both train."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (200, 2))
    y = np.sin(np.pi * X[:, 0]) * X[:, 1]
    X_B = np.sqrt(2.0)                           # no point of the square is longer

    standard = rng.normal(0.0, 1.0, (30, 2)), rng.normal(0.0, 1.0, 30), rng.normal(0.0, 0.2, 30)
    reduced = reduce(*standard, X_B, kind)
    points = rng.uniform(-1.0, 1.0, (1000, 2))
    difference = forward(*standard, points, kind)[0] - forward(*reduced, points, kind)[0]
    print(f"{kind}: {len(standard[1])} neurons, in the reduced space {len(reduced[1])}")
    print(f"largest difference of their outputs at 1000 points: {np.abs(difference).max():.1g}")
    print(f"gradient descent with the rate {rate}:")
    print("step   loss, standard   loss, reduced")
    for step in range(2001):
        standard_loss, standard = standard_step(*standard, X, y, rate, kind)
        reduced_loss, reduced = reduced_step(*reduced, X, y, rate, X_B, kind)
        if step % 500 == 0:
            print(f"{step:4d} {standard_loss:16.5f} {reduced_loss:15.5f}")
    print()


if __name__ == "__main__":
    main("relu", rate=0.05)
    main("relu", rate=0.2)
    main("binary", rate=0.05)  # its slope is 0: in both spaces c alone is trained
