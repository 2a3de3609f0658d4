"""Agreement of two predictions of the same anatomy, computed in float32."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from CrossModalSegLib.core.tensors import Logits, Scalar

OutputDistance = Literal["norm", "mean_square"]
"""How far two predictions are apart.

"norm": the Euclidean norm of an image's whole difference, as printed in BiGL, Eq. 5; it grows with
the square root of the number of pixels.
"mean_square": the mean over pixels and classes of the squared difference.
"""


def output_distance(one: Logits, other: Logits, kind: OutputDistance = "norm") -> Scalar:
    """Return the distance of two predictions' class probabilities, the mean over the batch.

    Gradients reach both. BiGL, Eq. 5, without the minus that it prints: the distance is minimised.
    """
    difference = one.float().softmax(dim=1) - other.float().softmax(dim=1)
    if kind == "mean_square":
        return difference.square().mean()
    norms: Tensor = torch.linalg.vector_norm(difference.flatten(1), dim=1)
    return norms.mean()
