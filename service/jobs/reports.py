"""The reports of a job, written by its runner once all fonts are scored, and sent as they are."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any

from glyphs.folders import replacing
from index.references import pictures_in
from recognition.bundle import Bundle
from scoring.judge import Thresholds
from scoring.reports.html import Page
from scoring.reports.lines import Csv
from scoring.reports.markdown import Markdown
from scoring.reports.pages import Pages
from scoring.reports.report import Report
from scoring.reports.summary import Summary, made_with
from scoring.verdicts import FontScore
from service.jobs.files import JobFiles
from service.jobs.record import Job

PAGE, ZIPPED_PAGES = "report.html", "report.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest that a ZIP can tell: equal scores give equal bytes


class ReportFormat(StrEnum):
    """What a report may be read as."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    HTML = "html"


def write_reports(job: Job, files: JobFiles, bundle: Bundle) -> None:
    """All but JSON Lines, which the job's lines are already.

    bundle: the one the job was put to; its references show how labels usually look

    Raises:
        OSError: as where the disk is full; there is none of them then.
    """
    made = made_with(bundle, Thresholds())
    looks: dict[str, Any] = {"reference": pictures_in(bundle.path), "made_with": made}
    with replacing(files.reports) as folder:
        pages = folder / "pages"
        with ExitStack() as open_reports:
            reports: list[Report] = [
                open_reports.enter_context(report)
                for report in (
                    Csv(folder / "report.csv"),
                    Summary(folder / "report.json", made),
                    Markdown(folder / "report.md"),
                    Pages(pages, **looks) if job.total > 1 else Page(folder / PAGE, **looks),
                )
            ]
            for number in range(1, job.total + 1):
                score = FontScore.from_json(files.score(number).read_text(encoding="utf-8"))
                for report in reports:
                    report.add(score)
        if job.total > 1:
            _zip(pages, folder / ZIPPED_PAGES)
            shutil.rmtree(pages)


def report_file(job: Job, files: JobFiles, form: ReportFormat) -> Path:
    """Where a report is once the job is done; pages of several fonts are zipped."""
    if form is ReportFormat.HTML:
        return files.reports / (ZIPPED_PAGES if job.total > 1 else PAGE)
    return files.reports / f"report.{form}"


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for page in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(page.name, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with page.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink)
