"""Settings come from flags, the environment and a file, are checked, and are shown and documented alike."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service import settings_table
from service.errors import BadSettings
from service.settings import Settings, default_bundle, read_settings, resolve_settings, usable_cpus

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "SETTINGS.md"


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


def test_only_what_is_wrong_is_named_and_where_it_was_said(monkeypatch):
    monkeypatch.setenv("GLYPHERY_PORT", "8080")
    with pytest.raises(BadSettings) as raised:
        read_settings(port="many")
    assert "port on the command line: " in str(raised.value)
    assert "GLYPHERY" not in str(raised.value)


def test_an_empty_name_of_the_file_of_keys_is_none(monkeypatch):
    monkeypatch.setenv("GLYPHERY_KEYS", "")
    assert read_settings().keys is None


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


def test_flags_go_before_the_environment_before_the_file_before_the_default(monkeypatch, tmp_path):
    file = tmp_path / "glyphery.toml"
    file.write_text('port = 1\nmax_k = 2\nmax_items = 3\nbundles = ["a", "b"]\ncors_origins = "x, y"\n')
    monkeypatch.setenv("GLYPHERY_PORT", "11")
    monkeypatch.setenv("GLYPHERY_MAX_K", "12")
    found = resolve_settings({"port": 21, "host": None}, file)
    settings = found.settings
    assert (settings.port, settings.max_k, settings.max_items) == (21, 12, 3)
    assert (settings.host, settings.max_pixels) == ("127.0.0.1", 24_000_000)
    assert settings.bundles == (Path("a"), Path("b"))
    assert settings.cors_origins == ("x", "y")
    origins = [found.origins[name] for name in ("port", "max_k", "max_items", "host")]
    assert origins == ["flag", "environment", "file", "default"]


def test_a_variable_names_the_file_unless_a_flag_does(monkeypatch, tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.toml").write_text(f"port = {number}")
    monkeypatch.setenv("GLYPHERY_SETTINGS", str(tmp_path / "1.toml"))
    assert read_settings().port == 1
    assert resolve_settings({}, tmp_path / "2.toml").settings.port == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("prot = 1", "no setting prot"),
        ("[server]\nport = 1", "no setting server"),
        ("port = ", "cannot be read"),
        ('port = "many"', "port in .*glyphery.toml"),
    ],
)
def test_a_bad_file_is_told_with_its_name(tmp_path, content, complaint):
    file = tmp_path / "glyphery.toml"
    file.write_text(content)
    with pytest.raises(BadSettings, match=complaint) as raised:
        resolve_settings({}, file)
    assert "glyphery.toml" in str(raised.value)
    with pytest.raises(BadSettings, match="cannot be read"):
        resolve_settings({}, tmp_path / "missing.toml")


def show(*options, **variables):
    done = subprocess.run(
        [sys.executable, "-m", "glyphery", "serve", *options],
        cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_settings_are_shown_with_where_they_come_from():
    said = show("--show-settings", "--set", "max_k=7", "--port", "1", GLYPHERY_HOST="::1", GLYPHERY_PROT="1")
    lines = [re.split(r"  +", line) for line in said.splitlines()]
    assert ["max_k", "7", "flag"] in [[part.strip() for part in line] for line in lines]
    assert "environment GLYPHERY_HOST" in said
    assert "GLYPHERY_PROT sets nothing." in said
    shown = json.loads(show("--show-settings", "--json", "--set", "max_k=7", GLYPHERY_HOST="::1"))
    assert shown["settings"]["max_k"] == {"value": 7, "from": "flag"}
    assert shown["settings"]["host"] == {"value": "::1", "from": "environment"}
    assert shown["idle"] == []


def test_what_is_shown_can_be_set_again(tmp_path):
    shown = json.loads(show("--json"))["settings"]
    lines = [
        f"{name} = {json.dumps(one['value'] if one['value'] is not None else '')}"
        for name, one in shown.items()
    ]
    empty = [f'{name} = ""' for name, one in shown.items() if one["value"] is None and name != "jobs"]
    file = tmp_path / "all.toml"
    file.write_text("\n".join(line for line in lines if line not in empty))
    assert resolve_settings({}, file).settings == read_settings()


def test_a_setting_without_end_is_the_same_in_json():
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    settings = Settings(job_retention=math.inf)
    read = json.loads(settings.model_dump_json(), parse_constant=refuse)
    assert Settings(**read).job_retention == math.inf
    shown = settings_table.as_json(resolve_settings({"job_retention": math.inf}))
    assert json.loads(shown, parse_constant=refuse)["settings"]["job_retention"]["value"] == "Infinity"


def test_the_documented_table_is_what_the_program_shows():
    assert TABLE.read_text(encoding="utf-8") == settings_table.as_markdown(), "make settings"
    rows = re.findall(r"^\| `(\w+)`.*?\| `(GLYPHERY_\w+)` \| (.*?) \|", TABLE.read_text(), re.MULTILINE)
    shown = json.loads(show("--json"))["settings"]
    assert [name for name, _, _ in rows] == list(shown)
    for name, variable, default in rows:
        assert variable == f"GLYPHERY_{name.upper()}"
        if default.startswith("`") and name != "jobs":
            value = getattr(Settings(), name)
            assert default.strip("`") == settings_table.shown(value), name


def test_every_setting_says_what_it_is_for():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert (field.default_factory is not None) == (name in settings_table._IN_WORDS), name


def test_no_setting_is_a_secret():
    """All are printed. Whoever adds a secret has to find it another place: a file, as the keys have."""
    assert not [name for name in Settings.model_fields if re.search("secret|password|token", name)]
