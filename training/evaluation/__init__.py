"""How good a model is on families it has never seen.

Strict accuracy stands beside accuracy up to equivalence and beside the ceiling: the best strict
accuracy that any recogniser could reach, given that fonts draw some labels identically. Whether
the model is a checkpoint, a bundle or several of them does not matter: it is a function from rasters
and metrics to logits and embeddings.

`examine` gives the figures and what was answered; the report's own modules (`report`,
`compare` and what they draw with) are imported by name, as they load matplotlib.
"""

from training.evaluation.asking import examine
from training.evaluation.examined import Examined, Neighbours, Predict, Subject
from training.evaluation.measures import Floats, alike_matrix, auroc, expected_calibration_error
from training.evaluation.record import Record

__all__ = [
    "Examined", "Floats", "Neighbours", "Predict", "Record", "Subject", "alike_matrix", "auroc",
    "examine", "expected_calibration_error",
]  # fmt: skip
