"""What is minimised: logit-adjusted cross-entropy and supervised contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AdjustedCrossEntropy(nn.Module):
    """Cross-entropy that leaves the logits without a prior.

    Labels are drawn unevenly in training; adding the logarithm of how often each is drawn to
    its logit inside the loss (Menon et al., "Long-tail learning via logit adjustment", ICLR
    2021) makes the bare logits score shapes evenly. Whoever asks may then add any prior.
    """

    log_prior: Tensor

    def __init__(self, sampling: Tensor, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("log_prior", (sampling / sampling.sum()).log(), persistent=False)
        self.smoothing = smoothing

    def forward(self, logits_BL: Tensor, label_B: Tensor) -> Tensor:
        return F.cross_entropy(logits_BL.float() + self.log_prior, label_B, label_smoothing=self.smoothing)


class SupervisedContrastive(nn.Module):
    """Pulls embeddings of one label together and pushes different labels apart.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the outer sum),
    except that pairs of one shape, or of labels that look the same, are neither pulled nor
    pushed: nothing in the picture could tell them apart.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embedding_BE: Tensor, label_B: Tensor, alike_BB: Tensor) -> Tensor:
        """alike_BB: (B, B) bool, pairs that cannot be told apart. Zero where no anchor has a positive."""
        scores = embedding_BE @ embedding_BE.T / self.temperature
        same = label_B[:, None] == label_B[None]
        itself = torch.eye(len(label_B), dtype=torch.bool, device=label_B.device)
        positive = same & ~itself
        compared = ~itself & (same | ~alike_BB)
        scores = scores.masked_fill(~compared, -torch.inf)
        log_share = scores - scores.logsumexp(dim=1, keepdim=True)
        count = positive.sum(1)
        anchors = count > 0
        if not anchors.any():
            return embedding_BE.sum() * 0.0
        pulled = torch.where(positive, log_share, 0.0).sum(1)
        return -(pulled[anchors] / count[anchors]).mean()
