"""Tables and a plot of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.tables import Table

TARGET = 0.99


COLUMNS = (
    "index", "setting", "recall@10", "bytes a vector", "queries/s", "of exact", "queries/s in 32s",
    "of exact in 32s", "seconds to build",
)  # fmt: skip


def tables(figures: dict[str, Any]) -> list[Table]:
    """At the recall that is asked for, filters, and all settings."""
    count = f"{figures['base']:,} embeddings, {figures['queries']:,} queries of other families, one thread"
    rows = figures["search"]
    least = [
        next((row for row in of if row["recall"] >= TARGET), max(of, key=lambda row: float(row["recall"])))
        for name in dict.fromkeys(row["name"] for row in rows)
        for of in [[row for row in rows if row["name"] == name]]
    ]
    filters = [
        (
            row["filter"], f"{row['rows']:,}", f"{row['just_these']:.1f}", f"{row['in_lists']:.1f}",
            f"{row['recall_in_lists']:.4f}",
        )
        for row in figures["filters"]
    ]  # fmt: skip
    return [
        Table(f"The first setting with recall {TARGET}, or the best: {count}", COLUMNS, _cells(least)),
        Table(
            "Filters: time of a query of ivf beside one without a filter",
            ("filter", "references left", "just these", "in lists", "recall@10 in lists"),
            filters,
        ),
        Table("All settings", COLUMNS, _cells(rows)),
    ]


def _cells(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            row["name"],
            f"{row['setting']} {row['value']}{' (chosen)' if row['chosen'] else ''}" if row["value"] else "–",
            f"{row['recall']:.4f}", f"{row['bytes']:.0f}",
            f"{row['rate_1']:,.0f}", f"{row['ratio_1']:.1f}",
            f"{row['rate_32']:,.0f}", f"{row['ratio_32']:.1f}",
            f"{row['build_seconds']:,.0f}",
        )
        for row in rows
    ]  # fmt: skip


def plot(figures: dict[str, Any], file: Path) -> None:
    """Recall over speed-up, one query at a time and in batches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for axis, batch, title in zip(axes, (1, 32), ("one query at a time", "batches of 32"), strict=True):
        for name in dict.fromkeys(row["name"] for row in figures["search"]):
            rows = [row for row in figures["search"] if row["name"] == name]
            label = f"{name} ({rows[0]['bytes']:.0f} bytes)"
            axis.plot(
                [row[f"ratio_{batch}"] for row in rows], [row["recall"] for row in rows], "o-", label=label
            )
        axis.axhline(TARGET, color="grey", linewidth=0.8)
        axis.axvline(20, color="grey", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_ylim(0.9, 1.002)
        axis.set_xlabel(f"times as fast as exact search, {title}")
    axes[0].set_ylabel("recall@10")
    axes[0].legend(fontsize=8)
    figure.suptitle(f"{figures['base']:,} embeddings, one thread")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
