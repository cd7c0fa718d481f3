from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glyphs.labels import Form, Label
from glyphs.text import text_shares
from recognition.bundle import Bundle
from recognition.priors import Prior, log_prior


def test_every_prior_weighs_every_label(tiny_bundle: Bundle) -> None:
    for prior in Prior:
        found = log_prior(tiny_bundle, prior)
        assert found.shape == (len(tiny_bundle.labels),)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_text_prefers_what_is_written_often(tiny_bundle: Bundle) -> None:
    place = {label: i for i, label in enumerate(tiny_bundle.labels)}
    common, rare = place[Label(ord("e"))], place[Label(ord("Q"))]
    text, shares = log_prior(tiny_bundle, Prior.TEXT), text_shares()
    told = np.exp(text[common] - text[rare])
    assert told == pytest.approx(shares[Label(ord("e"))] / shares[Label(ord("Q"))], rel=0.2)


def test_labels_that_no_text_has_keep_the_font_prior(tiny_bundle: Bundle) -> None:
    text, fonts = log_prior(tiny_bundle, Prior.TEXT), log_prior(tiny_bundle, Prior.FONTS)
    unheard = [i for i, label in enumerate(tiny_bundle.labels) if label not in text_shares()]
    apart = (text - fonts)[unheard]
    assert np.ptp(apart) < 1e-5
    assert (text[unheard] < np.delete(text, unheard).max()).all()


def test_classes_that_are_no_characters_have_the_font_prior_alone(tiny_bundle: Bundle) -> None:
    count = len(tiny_bundle.labels)
    private = replace(tiny_bundle, labels=tuple(Label(0xF0000 + i, Form.NONE) for i in range(count)))
    apart = log_prior(private, Prior.TEXT) - log_prior(private, Prior.FONTS)
    assert np.ptp(apart) < 1e-5
