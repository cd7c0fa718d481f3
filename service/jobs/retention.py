"""What is removed of jobs: those that are finished, when their time or their place is up, and remains."""

from __future__ import annotations

import time

from service.jobs.files import JobFiles, holding, is_id
from service.jobs.store import Store
from service.settings import Settings

_HOUR = 3600.0  # seconds
_NEW = 60  # seconds in which the folder of an upload that begins may not be held yet


def tidy(store: Store, settings: Settings) -> None:
    """Remove finished jobs that are too old, too many or too large, and folders that belong to no job."""
    with holding(store.folder / "tidy.lock") as mine:
        if not mine:  # another process is at it
            return
        _remove_finished(store, settings)
        for folder in store.folder.iterdir():
            if is_id(folder.name) and folder.is_dir() and store.find(folder.name) is None:
                _remove_remains(store, JobFiles(store.folder, folder.name))


def _remove_finished(store: Store, settings: Settings) -> None:
    taken, oldest = store.bytes_of_unfinished(), time.time() - settings.job_retention * _HOUR
    for place, (job, bytes) in enumerate(store.finished()):  # the newest first
        files = JobFiles(store.folder, job.id)
        taken += bytes
        is_old = job.finished is not None and job.finished < oldest
        if is_old or place >= settings.max_finished_jobs or taken > settings.max_jobs_bytes:
            store.remove(job)
            files.remove()
        elif files.fonts.exists():  # who should have removed them was killed
            files.remove_fonts()


def _remove_remains(store: Store, files: JobFiles) -> None:
    """Of a job that was removed, or of an upload that broke off; one that still comes in holds its folder."""
    try:
        with holding(files.folder) as is_free:
            is_new = files.folder.stat().st_mtime > time.time() - _NEW
            if is_free and not is_new and store.find(files.folder.name) is None:
                files.remove()
    except FileNotFoundError:  # it went meanwhile
        pass
