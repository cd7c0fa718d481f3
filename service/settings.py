"""What an operator can set: on the command line, by environment variables `GLYPHERY_...`, or in a file.

Of a setting that is set in several places the command line's value holds, then the environment's, then the
file's. `service.settings_table` prints them all.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from bundles import default_bundle
from glyphs.fonts import MAX_FONT_BYTES
from glyphs.picture import PictureLimits
from glyphs.processes import affinity
from recognition.recogniser import Device, cuda_trouble
from service.errors import BadSettings
from service.logs import Format, Level

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>", or "max <period>"


def usable_cpus(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Processors this process may use: its affinity, or its container's quota if that is less."""
    may = affinity()
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        allowed = int(quota) // int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or no quota
        return may
    return max(1, min(may, allowed))


# Reading pictures holds Python's lock, wherefore threads share cores badly; but every process has the models
# in memory for itself.
_MOST_PROCESSES = 8
_GIB = 2**30
PREFIX: Final = "GLYPHERY_"
FILE: Final = "GLYPHERY_SETTINGS"  # names the file; a variable of its own, for a file cannot name itself

Origin = Literal["flag", "environment", "file", "default"]


def _processes(given: Mapping[str, Any]) -> int:
    """One on a GPU, where more would only share it; else one a processor."""
    device = given["device"]
    on_gpu = device in {"cuda", "tensorrt"} or (device == "auto" and cuda_trouble() is None)
    return 1 if on_gpu else min(usable_cpus(), _MOST_PROCESSES)


def _jobs_folder() -> Path | None:
    """Where a program keeps its state by the XDG specification; None for a user without a home."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state, "glyphery", "jobs") if os.path.isabs(state) else None


class Settings(BaseSettings):
    """The service's settings. Every field is an environment variable: `GLYPHERY_PORT=8080`.

    None of them is a secret: keys are in a file of their own, as hashes. So all of them may be shown.
    """

    # JSON knows no infinity; as a string it comes back as what it was.
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, ser_json_inf_nan="strings")

    bundles: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=lambda: (default_bundle(),),
        min_length=1,
        description="the bundles to serve, the default first, separated by commas; NAME@int8 in fewer bits",
    )
    shared: Path | None = Field(None, description="folder that several processes share; made by themselves")
    host: str = Field("127.0.0.1", description="address to listen on; all with 0.0.0.0")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any that is free")
    max_body_bytes: int = Field(8 * 2**20, ge=1, description="larger bodies are refused")
    max_pixels: int = Field(24_000_000, ge=1, description="pictures with more pixels are refused")
    max_items: int = Field(10_000, ge=1, description="most pictures of one batch")
    max_batch_bytes: int = Field(
        2**30, ge=1, description="larger batches are refused; they are never held whole, only counted"
    )
    max_tensor_glyphs: int = Field(1024, ge=1, description="most glyphs of one request to /v2")
    max_tensor_bytes: int = Field(
        64 * 2**20, ge=1, description="larger bodies are refused at /v2 if they hold binary tensors"
    )
    max_identified_glyphs: int = Field(
        2000, ge=1, description="most glyphs of a font that /fonts/identify is asked about"
    )
    max_document_bytes: int = Field(
        32 * 2**20, ge=1, description="larger PDFs are refused at /documents/repair"
    )
    max_document_codes: int = Field(
        20_000, ge=1, description="most different codes that the fonts of a PDF may set, over all of them"
    )
    max_k: int = Field(100, ge=1, description="most predictions or neighbours of one answer")
    max_upload_seconds: float = Field(
        30.0, gt=0, description="a body must arrive within this time, of a batch each next piece"
    )
    max_uploads: int = Field(256, ge=1, description="bodies that may be arriving at once; more are refused")
    max_header_seconds: float = Field(10.0, gt=0, description="a request's headers must arrive in this time")
    device: Device = Field(
        "cpu",
        description="what the models run on: cpu; cuda or tensorrt, refused where that is not to be had; "
        "auto for cuda where it is, else the cpu",
    )
    processes: int = Field(
        default_factory=_processes, ge=1, le=64, description="processes that share the port"
    )
    executors: int = Field(
        default_factory=lambda given: max(1, usable_cpus() // given["processes"]),
        ge=1,
        description="threads that recognise, of each process",
    )
    pin: bool = Field(
        default_factory=lambda: usable_cpus() == affinity(),
        description="whether each of several processes keeps to its share of the processors, if they divide "
        "evenly",
    )
    max_batch: int = Field(16, ge=1, le=256, description="glyphs an executor works on at once")
    max_waiting: int = Field(64, ge=0, description="glyphs that may wait for an executor; more are refused")
    overload_wait: float = Field(
        0.025, gt=0, description="seconds that the queue may take, beyond a full batch, once it has been too "
        "long for some, and until all have found room for a while",
    )  # fmt: skip
    timeout: float = Field(10.0, gt=0, description="seconds a request may wait; `timeout=` asks for less")
    document_timeout: float = Field(60.0, gt=0, description="the same of requests to /documents/repair")

    jobs: Path | None = Field(
        default_factory=_jobs_folder,
        description="folder that jobs are kept in, on a local disk; empty for a service without jobs",
    )
    max_jobs: int = Field(100, ge=1, description="jobs that may wait or run; more are refused")
    max_job_bytes: int = Field(_GIB, ge=1, description="of a job's upload, which goes to disk as it comes")
    max_job_fonts: int = Field(1000, ge=1, description="most fonts of one job")
    max_font_bytes: int = Field(MAX_FONT_BYTES, ge=1, description="larger fonts are passed over")
    max_unpacked_bytes: int = Field(4 * _GIB, ge=1, description="of a job's archives, unpacked")
    max_jobs_bytes: int = Field(
        20 * _GIB, ge=1, description="of all jobs; beyond it the oldest finished ones are removed"
    )
    max_finished_jobs: int = Field(1000, ge=0, description="finished jobs that are kept")
    job_retention: float = Field(168.0, ge=0, description="hours that a finished job is kept; inf for ever")
    job_threads: int = Field(1, ge=1, description="threads of the model at work on jobs")
    job_nice: int = Field(19, ge=0, le=19, description="how far the runner of jobs stands back, as of nice")

    keys: Path | None = Field(None, description="file of API keys; `glyphery keys` writes it")
    open_access: bool = Field(False, description="listen on any address although there are no keys")
    rate_limit: float = Field(0.0, ge=0, description="requests a second of one client; 0 for any number")
    rate_burst: int = Field(20, ge=1, description="requests a client that was quiet may send at once")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins whose pages may ask, such as https://example.org; separated by commas"
    )

    log_format: Format = Field("text", description="text or json")
    log_level: Level = Field("info", description="of what goes wrong: debug, info, warning or error")
    access_log: bool = Field(True, description="a line for each request")

    @property
    def picture_limits(self) -> PictureLimits:
        """Of what is posted."""
        return PictureLimits(max_bytes=self.max_body_bytes, max_pixels=self.max_pixels)

    @field_validator("jobs", "keys", mode="before")
    @classmethod
    def _none_if_empty(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("bundles", "cors_origins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings, and where each of them comes from.

    file: what was read besides the environment
    """

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None


def resolve_settings(given: Mapping[str, Any], file: Path | None = None) -> Resolved:
    """Settings from the command line, over the environment's, over those of a file.

    given: values of the command line; those that are None were not given
    file: TOML; where None, GLYPHERY_SETTINGS may name one

    Raises:
        BadSettings: the file cannot be read; a value is of the wrong type or out of range; a name is no
            setting's.
    """
    if file is None and os.environ.get(FILE):
        file = Path(os.environ[FILE])
    flags = {name: value for name, value in given.items() if value is not None}
    layers: tuple[tuple[Origin, Mapping[str, Any]], ...] = (
        ("flag", flags),
        ("environment", EnvSettingsSource(Settings)()),
        ("file", _read_file(file) if file else {}),
    )
    for origin, layer in layers:
        if unknown := sorted(set(layer) - set(Settings.model_fields)):
            where = file if origin == "file" else "the command line"
            raise BadSettings(
                f"There is no setting {', '.join(unknown)}, which {where} sets.",
                "`glyphery serve --show-settings` lists them.",
            )
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = dict.fromkeys(Settings.model_fields, "default")
    for origin, layer in reversed(layers):
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    try:
        return Resolved(Settings(**values), origins, file)
    except ValidationError as error:
        wrong = "; ".join(
            f"{_place(e['loc'], origins, file)}: {e['msg']}"
            for e in error.errors()
            if e["type"] != "default_factory_not_called"  # a default that depends on what is wrong
        )
        raise BadSettings(f"The service's settings cannot be used: {wrong}.") from None


def read_settings(**given: Any) -> Settings:
    """Settings as `resolve_settings` finds them.

    Raises:
        BadSettings: as there.
    """
    return resolve_settings(given).settings


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSettings(f"The settings in {file} cannot be read: {error}.") from None


def _place(location: tuple[int | str, ...], origins: Mapping[str, Origin], file: Path | None) -> str:
    """Where somebody has to look to put a value right."""
    path = ".".join(map(str, location))
    origin = origins.get(str(location[0]))
    if origin == "file":
        return f"{path} in {file}"
    if origin == "flag":
        return f"{path} on the command line"
    return f"{PREFIX}{path.upper()}"
