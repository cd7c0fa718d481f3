"""What an operator can set, by environment variables `GLYPHERY_...` or on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bundles import default_bundle
from recognition.recogniser import Device
from service.errors import BadSettings

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>", or "max <period>"


def usable_cpus(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Processors this process may use: its affinity, or its container's quota if that is less."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        allowed = int(quota) // int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or no quota
        return affinity
    return max(1, min(affinity, allowed))


class Settings(BaseSettings):
    """The service's settings. Every field is an environment variable: `GLYPHERY_PORT=8080`."""

    model_config = SettingsConfigDict(env_prefix="GLYPHERY_", frozen=True)

    bundles: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=lambda: (default_bundle(),),
        min_length=1,
        description="the bundles to serve, the default first; separated by commas",
    )
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    max_body_bytes: int = Field(8 * 2**20, ge=1, description="larger bodies are refused")
    max_pixels: int = Field(24_000_000, ge=1, description="pictures with more pixels are refused")
    max_k: int = Field(100, ge=1, description="most predictions or neighbours of one answer")
    max_upload_seconds: float = Field(30.0, gt=0, description="a body must arrive within this time")
    device: Device = Field("cpu", description="what the models run on: cpu or cuda")
    executors: int = Field(default_factory=usable_cpus, ge=1, description="threads that recognise")
    max_batch: int = Field(16, ge=1, le=256, description="glyphs an executor works on at once")
    max_waiting: int = Field(128, ge=0, description="glyphs that may wait for an executor; more are refused")
    overload_wait: float = Field(
        0.05,
        gt=0,
        description="once too many waited, and until none does, only requests that will wait no "
        "longer than this many seconds are let in",
    )
    timeout: float = Field(10.0, gt=0, description="seconds a request may wait; `timeout=` asks for less")

    @field_validator("bundles", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )


def read_settings(**given: Any) -> Settings:
    """Settings from the environment, overridden by what is given and not None.

    Raises:
        BadSettings: a value is of the wrong type or out of range.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise BadSettings(f"The service's settings cannot be used: GLYPHERY_{wrong}.") from None
