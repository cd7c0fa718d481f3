"""Settings come from the environment, and are checked."""

from pathlib import Path

import pytest

from service.errors import BadSettings
from service.settings import Settings, default_bundle, read_settings, usable_cpus


def test_the_defaults_are_those_documented(monkeypatch):
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.max_body_bytes, settings.max_pixels, settings.max_k) == (8 * 2**20, 24_000_000, 100)
    assert settings.executors >= 1
    assert settings.bundles == (default_bundle(),)


def test_the_shipped_bundle_is_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert default_bundle().is_absolute()
    assert default_bundle().parts[-2:] == ("bundles", "levit_128s")


def test_jobs_are_kept_with_other_state_or_where_one_says_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert read_settings().jobs == tmp_path / "glyphery" / "jobs"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home-of-nobody")
    assert read_settings().jobs == Path("/home-of-nobody/.local/state/glyphery/jobs")
    monkeypatch.setenv("GLYPHERY_JOBS", str(tmp_path))
    assert read_settings().jobs == tmp_path
    monkeypatch.setenv("GLYPHERY_JOBS", "")
    assert read_settings().jobs is None


def test_the_environment_sets_and_what_is_given_wins(monkeypatch):
    monkeypatch.setenv("GLYPHERY_PORT", "8080")
    monkeypatch.setenv("GLYPHERY_MAX_K", "7")
    settings = read_settings(port=9000, max_k=None)
    assert (settings.port, settings.max_k) == (9000, 7)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "many"), ("PORT", "70000"), ("EXECUTORS", "0"), ("MAX_K", "-1")]
)
def test_a_bad_setting_is_one_line_that_names_it(monkeypatch, name, value):
    monkeypatch.setenv(f"GLYPHERY_{name}", value)
    with pytest.raises(BadSettings, match=f"GLYPHERY_{name}") as raised:
        read_settings()
    assert "\n" not in str(raised.value)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize(
    ("quota", "bounded"),
    [
        ("100000 100000", True),
        ("50000 100000", True),
        ("max 100000", False),
        ("99900000 100000", False),
        ("", False),
    ],
)
def test_a_containers_quota_bounds_the_workers(tmp_path, quota, bounded):
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert usable_cpus(file) == (1 if bounded else usable_cpus(tmp_path / "missing"))
