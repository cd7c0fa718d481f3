"""What is minimised. Every loss is one module; `training.module` adds them up.

Shape legend: B batch, L labels, E embedding width.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.config import Losses


class Classification(nn.Module):
    """(B, L) logits, (B,) labels -> (B,) losses.

    Cross-entropy, or the sum over classes of binary cross-entropies. With `adjusted`, the logits
    stay free of a prior: labels are drawn unevenly in training, and adding the logarithm of how
    often each is drawn inside the loss (Menon et al., "Long-tail learning via logit adjustment",
    ICLR 2021) makes the bare logits score shapes evenly. Whoever asks may then add any prior.
    For binary cross-entropy it is the log-odds that is added (Xu et al., "Learning Imbalanced
    Data with Vision Transformers", CVPR 2023), which makes it the balanced BCE.

    Args:
        how: kind, smoothing, class weights
        sampling: (L,) how often each label is drawn, in any unit
        counts: (L,) training glyphs of each label
    """

    offset: Tensor
    weights: Tensor

    def __init__(self, how: Losses, sampling: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        super().__init__()
        self.how = how
        share = np.clip(sampling / sampling.sum(), 1e-9, 1 - 1e-9)
        binary = how.classification == "balanced_bce"
        offset = np.log(share) - (np.log1p(-share) if binary else 0.0) if how.adjusted else 0 * share
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32), persistent=False)
        weights = torch.tensor(class_weights(how, counts), dtype=torch.float32)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits_BL: Tensor, label_B: Tensor) -> Tensor:
        logits_BL = logits_BL.float() + self.offset
        if self.how.classification == "cross_entropy":
            losses = F.cross_entropy(logits_BL, label_B, label_smoothing=self.how.smoothing, reduction="none")
        else:
            target = torch.full_like(logits_BL, self.how.smoothing / logits_BL.shape[1])
            target.scatter_(1, label_B[:, None], 1 - self.how.smoothing)
            losses = F.binary_cross_entropy_with_logits(logits_BL, target, reduction="none").sum(1)
        return losses * self.weights[label_B]


def class_weights(how: Losses, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(L,) weights whose mean over the training glyphs is 1; a label without glyphs weighs nothing."""
    n = np.maximum(counts, 1).astype(np.float64)
    if how.class_weights == "none":
        return np.ones_like(n)
    if how.class_weights == "effective":  # Cui et al., "Class-Balanced Loss", CVPR 2019
        weights = (1 - how.beta) / (1 - how.beta**n)
    else:
        weights = n ** (-1.0 if how.class_weights == "inverse" else -0.5)
    weights = np.where(counts > 0, weights, 0.0)
    scaled: NDArray[np.float64] = weights / ((weights * counts).sum() / counts.sum())
    return scaled


class SupervisedContrastive(nn.Module):
    """Pulls embeddings of one group together and pushes others apart.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the outer sum),
    except that pairs of one shape, or of labels that look the same, are never pushed: nothing in
    the picture could tell them apart.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embedding_BE: Tensor, positive_BB: Tensor, alike_BB: Tensor) -> Tensor:
        """Mean over the anchors that have a positive; zero where none has.

        positive_BB: (B, B) bool, pairs to pull together; alike_BB: pairs that must not be pushed
        apart. A glyph is never compared with itself.
        """
        scores = embedding_BE @ embedding_BE.T / self.temperature
        itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        positive = positive_BB & ~itself
        compared = ~itself & (positive | ~alike_BB)
        scores = scores.masked_fill(~compared, -torch.inf)
        log_share = scores - scores.logsumexp(dim=1, keepdim=True)
        count = positive.sum(1)
        pulled = torch.where(positive, log_share, 0.0).sum(1) / count.clamp_min(1)
        return -pulled.sum() / (count > 0).sum().clamp_min(1)


class ArcFace(nn.Module):
    """Additive angular margin between an embedding and its label's centre.

    Deng et al., "ArcFace", CVPR 2019: cross-entropy over scaled cosines, where the angle to the
    own centre counts `margin` radians more. Centres of labels that look the same as the own are
    left out. The centres are this module's parameters; serving does not need them.
    """

    def __init__(self, labels: int, width: int, margin: float, scale: float) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale
        self.centres = nn.Parameter(F.normalize(torch.randn(labels, width), dim=1))

    def forward(self, embedding_BE: Tensor, label_B: Tensor, alike_BL: Tensor) -> Tensor:
        """alike_BL: (B, L) bool, labels that look the same as each glyph's own."""
        # In bfloat16 cosines from 0.998 on are 1, clamped or not, where acos has an infinite gradient.
        with torch.autocast(embedding_BE.device.type, enabled=False):
            cosine_BL = embedding_BE.float() @ F.normalize(self.centres, dim=1).T
        own_B = cosine_BL.gather(1, label_B[:, None])[:, 0].clamp(-1 + 1e-6, 1 - 1e-6)
        # Beyond pi - margin the cosine would rise again; there the margin is taken off linearly.
        angle_B = own_B.acos()
        moved_B = torch.where(
            angle_B < math.pi - self.margin,
            (angle_B + self.margin).cos(),
            own_B - self.margin * math.sin(self.margin),
        )
        cosine_BL = cosine_BL.scatter(1, label_B[:, None], moved_B[:, None])
        return F.cross_entropy((self.scale * cosine_BL).masked_fill(alike_BL, -torch.inf), label_B)


def distillation(student_BL: Tensor, teacher_BL: Tensor, temperature: float) -> Tensor:
    """(B,) KL divergence of the student from the teacher, both softened, times temperature squared.

    Hinton et al., 2015. A label that the teacher does not know has -inf in `teacher_BL`; there
    the student's distribution is taken over the labels that both know.
    """
    student_BL = student_BL.float().masked_fill(teacher_BL.isneginf(), -torch.inf)
    wanted = F.softmax(teacher_BL.float() / temperature, dim=1)
    apart = wanted * (
        F.log_softmax(teacher_BL.float() / temperature, 1) - F.log_softmax(student_BL / temperature, 1)
    )
    return torch.where(wanted > 0, apart, 0.0).sum(1) * temperature**2
