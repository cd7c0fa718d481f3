"""Fonts that mean harm are scored behind the service's back, and it notices nothing."""

import io
import json
import os
import time
import zipfile

from tests.scoring.hostile import crafted, mutants

MUTANTS = min(200, int(os.environ.get("GLYPHERY_FONT_MUTANTS", "60")))
_DEAR = ("4,000 glyphs", "subroutines by", "WOFF2 bomb", "seven hundred")  # each has its full minute here


def test_an_archive_of_broken_fonts_is_scored_to_the_last(serve, picture, font_dir, tmp_path):
    fonts = list(mutants(font_dir, MUTANTS))
    if MUTANTS > 60:
        fonts += [font for font in crafted(font_dir) if not font.name.startswith(_DEAR)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number, font in enumerate(fonts):
            archive.writestr(f"{number:04}{font.suffix}", font.data)
    with serve(jobs=tmp_path / "jobs", max_job_bytes=1 << 28) as running:
        client = running.client
        alone = client.post("/classify", content=picture("65")).json()
        posted = client.post(
            "/fonts/score", content=packed.getvalue(), headers={"content-type": "application/zip"}
        )
        assert posted.status_code == 202, posted.text
        job, asked, until = posted.json(), 0, time.monotonic() + 900
        assert job["fonts"]["total"] == len(fonts), job["skipped"]
        while job["status"] not in ("done", "failed", "cancelled"):
            assert time.monotonic() < until, job
            assert client.post("/classify", content=picture("65")).json() == alone
            asked += 1
            time.sleep(0.1)
            job = client.get(f"/jobs/{job['id']}").json()
        assert job["status"] == "done", job
        assert asked
        assert job["fonts"]["done"] == len(fonts)
        assert job["fonts"]["counts"]["ERROR"] > 0
        lines = client.get(f"/jobs/{job['id']}/results").text.splitlines()
        assert {json.loads(line)["font"] for line in lines} == {
            f"{number:04}{font.suffix}" for number, font in enumerate(fonts)
        }
        assert len(client.get(f"/jobs/{job['id']}/report?format=json").json()["fonts"]) == len(fonts)
        assert client.post("/classify", content=picture("65")).json() == alone
