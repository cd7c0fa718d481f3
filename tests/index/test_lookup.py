from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glyphs.labels import Label
from index.lookup import Filter, Lookup
from tests.index.embedded import LABELS

FAMILIES = ["Amiri", "Bodoni", "Courier"]
REFERENCES = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(FAMILIES)), max_size=40)
FILTERS = st.builds(
    Filter,
    scripts=st.frozensets(st.sampled_from(["Latn", "Grek", "Arab", "Thai", "Deva"])),
    families=st.frozensets(st.sampled_from([*FAMILIES, "Didot"])),
    without=st.frozensets(st.sampled_from([*LABELS, Label(ord("Z"))])),
)


def allows(only: Filter, label: Label, family: str) -> bool:
    return (
        (not only.scripts or label.character.script in only.scripts)
        and (not only.families or family in only.families)
        and label not in only.without
    )


@given(REFERENCES, FILTERS)
def test_a_filter_leaves_what_a_look_at_each_reference_would(
    references: list[tuple[Label, str]], only: Filter
) -> None:
    lookup = Lookup([label for label, _ in references], [family for _, family in references])
    allowed = lookup.allowed(only)
    expected = [row for row, (label, family) in enumerate(references) if allows(only, label, family)]
    assert allowed.rows.tolist() == expected
    assert allowed.count == len(expected)
    assert np.flatnonzero(allowed.mask(len(references))).tolist() == expected


@given(REFERENCES, st.sampled_from(LABELS))
def test_the_rows_of_a_label(references: list[tuple[Label, str]], label: Label) -> None:
    lookup = Lookup([known for known, _ in references], [family for _, family in references])
    assert lookup.rows_of(label).tolist() == [
        row for row, (known, _) in enumerate(references) if known == label
    ]
