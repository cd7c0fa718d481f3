"""/jobs: how far they are, what has come of them, and their end."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from service.errors import OF_THE_DOOR, JobNotDone, NoJobs, StorageFull, UnknownJob
from service.items import LINES
from service.jobs.files import JobFiles, full_disk
from service.jobs.record import Job, State
from service.jobs.reports import ReportFormat, report_file
from service.jobs.streams import Seen, events, results
from service.parameters import caller_of, desk_of
from service.problems import documented
from service.schemas import JobFields, JobsResponse

EVENTS: Final = "text/event-stream"
_PROBLEMS = (*OF_THE_DOOR, NoJobs, UnknownJob)
_FRESH: Final = {"Cache-Control": "no-store"}
_STREAMED: Final = {**_FRESH, "X-Accel-Buffering": "no"}  # nginx would hold it back
_MEDIA_TYPES: Final = {
    ReportFormat.JSONL: LINES, ReportFormat.JSON: "application/json", ReportFormat.CSV: "text/csv",
    ReportFormat.MD: "text/markdown", ReportFormat.HTML: "text/html",
}  # fmt: skip
_ZIP: Final = "application/zip"
_TEXT: Final = {"schema": {"type": "string"}}
_BEFORE = "only jobs older than this one; an answer's `next` has it"
_START = "lines to leave out, for who has them already"
_FOLLOW = "go on until the job is finished"
_KEEP = "leave a job that is finished: who cancels one at that moment does not lose its report"
_FORMAT = "html: a page, or for several fonts a ZIP of pages"

router = APIRouter(prefix="/jobs", tags=["jobs"])


class Page(BaseModel):
    """Which jobs are listed."""

    limit: Annotated[int, Field(ge=1, le=100, description="how many")] = 20
    before: Annotated[int | None, Field(ge=1, lt=2**62, description=_BEFORE)] = None


class Ending(BaseModel):
    """What a DELETE may do."""

    keep: Annotated[bool, Field(description=_KEEP)] = False


class ResultsQuery(BaseModel):
    """Which results are sent."""

    start: Annotated[int, Field(ge=0, description=_START)] = 0
    follow: Annotated[bool, Field(description=_FOLLOW)] = False


class ReportQuery(BaseModel):
    """What a report is read as."""

    format: Annotated[ReportFormat, Field(description=_FORMAT)] = ReportFormat.JSON


class _Whole(FileResponse):
    """A file that is sent whole, whatever is asked: a range that is none Starlette refuses in plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


# Plain functions, in threads: SQLite may wait for another's write.


@router.get("", response_model=JobsResponse, responses=documented(*OF_THE_DOOR, NoJobs))
def list_jobs(request: Request, query: Annotated[Page, Query()]) -> Any:
    """The newest first. Where keys are in use, those that were posted with the same."""
    found = desk_of(request).store.newest(caller_of(request), query.limit + 1, query.before)
    shown, more = found[: query.limit], len(found) > query.limit
    following = f"/jobs?limit={query.limit}&before={shown[-1].number}" if more else None
    return JSONResponse({"jobs": [job.document() for job in shown], "next": following}, headers=_FRESH)


@router.get("/{id}", response_model=JobFields, responses=documented(*_PROBLEMS))
def job(request: Request, id: str) -> Any:
    """How far it is."""
    return JSONResponse(_find(request, id).document(), headers=_FRESH)


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={
        **documented(*_PROBLEMS),
        200: {"content": {EVENTS: _TEXT}},
        204: {"description": "The end has been told already."},
    },
    summary="Progress as it is made",
)
def job_events(
    request: Request,
    id: str,
    last_event_id: Annotated[str, Header(description="goes on behind the event of this id")] = "",
) -> Response:
    """Server-sent events: `font` for each that has been scored, `progress` with the job, and `end` with
    it once it is finished.
    """
    found, seen = _find(request, id), Seen.of(last_event_id)
    if found.is_finished and seen == Seen(found.done, found.revision):
        return Response(status_code=204)  # by which a browser knows not to connect again
    desk = desk_of(request)
    told = events(desk.store, found, seen, lambda: desk.is_closing)
    return StreamingResponse(told, media_type=EVENTS, headers=_STREAMED)


@router.get(
    "/{id}/results",
    response_class=Response,
    responses={**documented(*_PROBLEMS), 200: {"content": {LINES: _TEXT}}},
    summary="A line for each glyph",
)
def job_results(request: Request, id: str, query: Annotated[ResultsQuery, Query()]) -> Response:
    """Those of fonts that have been scored, in order, whatever has become of the job. All have come when the
    job is finished and there are as many as its `lines` says.
    """
    return _lines(request, _find(request, id), query.start, query.follow)


@router.get(
    "/{id}/report",
    response_class=Response,
    responses={
        **documented(*_PROBLEMS, JobNotDone),
        200: {"content": dict.fromkeys((*_MEDIA_TYPES.values(), _ZIP), _TEXT)},
    },
    summary="The report of a job that is done",
)
def job_report(request: Request, id: str, query: Annotated[ReportQuery, Query()]) -> Response:
    """jsonl: a line a glyph; csv: the same as a table; json: counts, and the worst of each font; md: for a
    pull request; html: pages to look at.
    """
    found = _find(request, id)
    if found.state is not State.DONE:
        raise JobNotDone(found.state)
    if query.format is ReportFormat.JSONL:
        return _lines(request, found, 0, False)
    path = report_file(found, JobFiles(desk_of(request).store.folder, found.id), query.format)
    zipped = path.suffix == ".zip"
    return _Whole(
        path,
        headers={**_FRESH, "Accept-Ranges": "none"},
        media_type=_ZIP if zipped else _MEDIA_TYPES[query.format],
        filename=path.name,
        content_disposition_type="attachment" if zipped else "inline",
    )


@router.delete(
    "/{id}",
    response_model=JobFields,
    responses={**documented(*_PROBLEMS, StorageFull), 204: {"description": "It was finished, and is gone."}},
    summary="Cancel a job, or remove it",
)
def delete_job(request: Request, id: str, query: Annotated[Ending, Query()]) -> Response:
    """A job that waits or runs is cancelled, and answered as it is then. A finished one is removed with all
    that has come of it; or with `keep` stays, and is answered as it is.
    """
    found, store = _find(request, id), desk_of(request).store
    files = JobFiles(store.folder, found.id)
    with full_disk("the end of a job"):
        if not found.is_finished and store.finish(found, State.CANCELLED):
            files.remove_fonts()
        elif not query.keep:
            store.remove(found)
            files.remove()
            return Response(status_code=204)
    return JSONResponse(_find(request, id).document(), headers=_FRESH)


def _find(request: Request, id: str) -> Job:
    """Raises UnknownJob where it is none, or another caller's."""
    found, caller = desk_of(request).store.find(id), caller_of(request)
    if found is None or (caller and found.owner != caller):
        raise UnknownJob(id)
    return found


def _lines(request: Request, job: Job, start: int, follow: bool) -> Response:
    desk = desk_of(request)
    lines = results(desk.store, job, start, follow, lambda: desk.is_closing)
    return StreamingResponse(lines, media_type=LINES, headers=_STREAMED)
