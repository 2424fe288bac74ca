"""What one training looked like, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAME = 1e-5  # of a layer's largest weight: units that differ by less are copies of each other


@dataclass(frozen=True)
class Film:
    """One training from one start.

    Args:
        start: Name of the start.
        kernels: One array per layer, `(frames, inputs, units)`.
        biases: One array per layer, `(frames, units)`.
        kernel_gradients: Of the loss on the first training points, shapes as of `kernels`.
        bias_gradients: Shapes as of `biases`.
        loss: Training loss, mean over the steps of an epoch, `(epochs,)`.
        test_loss: Loss on the test points before training and after each epoch, `(1 + epochs,)`.
        test_accuracy: Share of the test points that are right, `(1 + epochs,)`.
        seeds_accuracy: Share at the end from this start with several seeds, `(seeds,)`; the film
            shows the first of them.

    Example:
        ```python
        film = reel.film_of("zeros")
        print(film.distinct_units[-1], film.test_accuracy[-1])
        ```
    """

    start: str
    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    kernel_gradients: tuple[np.ndarray, ...]
    bias_gradients: tuple[np.ndarray, ...]
    loss: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray
    seeds_accuracy: np.ndarray

    @property
    def distinct_units(self) -> np.ndarray:
        """Units of each hidden layer that are no copy of another, `(frames, hidden layers)`."""
        layers = list(zip(self.kernels, self.biases, strict=True))[:-1]
        return np.stack([_distinct(kernel, bias) for kernel, bias in layers], axis=1)

    @property
    def gradient_rms(self) -> np.ndarray:
        """Root mean square of each kernel's gradient, `(frames, layers)`."""
        squares = [
            np.mean(np.square(g, dtype="float64"), axis=(1, 2))  # float32 would lose 1e-23 squared
            for g in self.kernel_gradients
        ]
        return np.sqrt(np.stack(squares, axis=1))

    @property
    def diverged(self) -> bool:
        """Whether the loss stopped being a number."""
        return not bool(np.isfinite(self.test_loss).all())


@dataclass(frozen=True)
class Reel:
    """The trainings on one data set.

    Args:
        data: Name of the data set.
        x: Training points, `(points, 2)`.
        y: Their labels, 0 or 1.
        activation: Of the hidden layers.
        epochs: Epoch of every frame; 0 is before training.
        steps_per_epoch: Steps of the optimizer in an epoch.
        films: One per start, in the same order in every reel.

    Example:
        ```python
        reel = film("xor", "tanh", STARTS)
        print(reel.steps[-1], [film.start for film in reel.films])
        ```
    """

    data: str
    x: np.ndarray
    y: np.ndarray
    activation: str
    epochs: np.ndarray
    steps_per_epoch: int
    films: tuple[Film, ...]

    @property
    def steps(self) -> np.ndarray:
        """Steps of the optimizer before every frame, `(frames,)`."""
        return self.epochs * self.steps_per_epoch

    def film_of(self, start: str) -> Film:
        """The training from a start."""
        return next(film for film in self.films if film.start == start)


def _distinct(kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Number of different units per frame; NaN is no copy of anything."""
    units = np.concatenate([kernel, bias[:, None]], axis=1).swapaxes(1, 2)
    gap = np.abs(units[:, :, None] - units[:, None]).max(axis=-1)  # (frames, units, units)
    bound = SAME * np.abs(units).max(axis=(1, 2))[:, None, None]
    copies = np.tril(gap <= bound, k=-1).any(axis=-1)
    return np.asarray((~copies).sum(axis=-1))
