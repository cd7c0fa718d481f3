"""Fonts are posted as files, forms and archives; what is hostile in them harms nobody."""

import gzip
import io
import itertools
import shutil
import struct
import tarfile
import threading
import time
import zipfile

import pytest

from service.jobs.archives import Unpacking
from service.jobs.files import JobFiles

ZIP = "application/zip"


def zipped(*members, kind=zipfile.ZIP_DEFLATED):
    """members: names or ZipInfos, with bytes"""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(*members, mode="w:gz"):
    """members: names or TarInfos, with bytes"""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in members:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def linked(name, target):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry, target


def entry(name, kind, target=""):
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found, b""


@pytest.fixture(scope="module")
def service(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    limits = {"max_job_fonts": 5, "max_unpacked_bytes": 2_000_000, "max_font_bytes": 100_000}
    with serve(jobs=folder / "jobs", max_job_bytes=1_000_000, **limits) as running:
        running.folder = folder
        yield running


@pytest.fixture(scope="module")
def font(font_dir):
    return (font_dir / "phagspa.ttf").read_bytes()


@pytest.fixture
def post(service):
    def post(content, kind="application/octet-stream", **params):
        return service.client.post(
            "/fonts/score", content=content, headers={"content-type": kind}, params=params
        )

    return post


def accepted(response):
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == job["links"]["self"] == f"/jobs/{job['id']}"
    return job


def finished(client, job):
    until = time.monotonic() + 120
    while (found := client.get(f"/jobs/{job['id']}").json())["status"] in ("queued", "running"):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def names(client, job):
    """Of the fonts that were scored, in order."""
    assert finished(client, job)["status"] == "done"
    report = client.get(f"/jobs/{job['id']}/report?format=json").json()
    return [font["font"] for font in report["fonts"]]


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "font/ttf", "application/x-www-form-urlencoded"]
)
def test_a_font_is_posted_as_it_is(post, service, font, kind):
    job = accepted(post(font, kind, name="mine.ttf"))
    assert job["fonts"]["total"] == 1
    assert names(service.client, job) == ["mine.ttf"]


def test_fonts_are_posted_in_a_form_in_which_archives_may_be_too(service, font):
    files = [
        ("font", ("a.ttf", font)),
        ("file", ("more.zip", zipped(("b.ttf", font), ("sub/c.TTF", font), ("read me.txt", b"hello")))),
        ("font", ("none.ttf", b"no font at all")),
    ]
    job = accepted(service.client.post("/fonts/score", files=files))
    assert job["skipped"] == [{"name": "read me.txt", "reason": "no font"}]
    done = finished(service.client, job)
    assert done["fonts"]["done"] == done["fonts"]["total"] == 4
    assert (done["worst"], done["fonts"]["counts"]["ERROR"]) == ("ERROR", 1)
    assert names(service.client, job) == ["a.ttf", "b.ttf", "sub/c.TTF", "none.ttf"]


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_fonts_are_posted_in_a_tar(post, service, font, mode):
    body = tarred(("fonts/a.ttf", font), ("fonts/b.otf", b"broken"), ("OFL.txt", b"free"), mode=mode)
    job = accepted(post(body))
    assert [skipped["name"] for skipped in job["skipped"]] == ["OFL.txt"]
    assert names(service.client, job) == ["fonts/a.ttf", "fonts/b.otf"]


def test_a_tar_may_be_packed_in_pieces(post, service, is_problem, font):
    whole = tarred(("a.ttf", font), ("b.ttf", b"broken"), mode="w")
    cuts = (0, 300, len(font) // 2, len(whole))
    pieces = [gzip.compress(whole[start:end]) for start, end in itertools.pairwise(cuts)]
    job = accepted(post(b"".join([*pieces, gzip.compress(b"")]) + bytes(600_000)))
    assert names(service.client, job) == ["a.ttf", "b.ttf"]
    for body in (b"".join(pieces)[:-1], b"".join([*pieces, b"no gzip"])):
        is_problem(post(body), 422, "bad-archive")
    bomb = [gzip.compress(bytes(900_000))] * 3
    is_problem(post(b"".join(bomb)), 413, "archive-too-large")
    is_problem(post(gzip.compress(b"") * 20_001), 413, "archive-too-large")


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_no_font_is_lost_behind_damage_in_a_tar_or_behind_its_end(post, is_problem, font, packed):
    whole = tarred(("a.ttf", font), ("b.ttf", font), mode="w")
    second = 512 + -(-len(font) // 512) * 512
    assert whole[second:].startswith(b"b.ttf")
    for body in (
        whole[:second] + b"x" * 512 + whole[second + 512 :],  # its header is broken,
        whole[: second + 100],  # breaks off,
        whole[:second] + bytes(512) + whole[second + 512 :],  # or is wiped
        whole + whole,
    ):
        is_problem(post(packed(body)), 422, "bad-archive")


def test_names_that_lead_out_and_links_are_passed_over_and_listed(post, service, font):
    inside = zipped(("inner.ttf", font))
    bodies = [
        zipped(
            ("good.ttf", font), ("../../evil.ttf", font), ("/etc/evil.ttf", font), ("..\\evil.ttf", font),
            ("C:/evil.ttf", font), linked("link.ttf", "/etc/passwd"), ("inner.zip", inside),
            ("__MACOSX/._good.ttf", b"x"), ("folder.ttf/", b""),
        ),
        tarred(
            ("good.ttf", font), ("../../evil.ttf", font), ("/etc/evil.ttf", font), ("..\\evil.ttf", font),
            ("C:/evil.ttf", font), entry("link.ttf", tarfile.SYMTYPE, "/etc/passwd"), ("inner.zip", inside),
            ("._good.ttf", b"x"), entry("folder.ttf", tarfile.DIRTYPE),
            entry("hard.ttf", tarfile.LNKTYPE, "good.ttf"), entry("fifo.ttf", tarfile.FIFOTYPE),
        ),
    ]  # fmt: skip
    for body in bodies:
        job = accepted(post(body))
        assert names(service.client, job) == ["good.ttf"]
        reasons = [skipped["reason"] for skipped in job["skipped"]]
        assert reasons.count("its name leads out of the archive") == 4
        assert reasons.count("no font") == 2
        assert "no file but a link or a device" in reasons
        assert job["skipped_total"] == len(reasons)
    assert not list(service.folder.rglob("*evil*"))


def test_what_unpacks_to_too_much_is_refused(post, is_problem, font):
    bomb = bytes(90_000)
    for body in (
        zipped(*((f"{i}.ttf", bomb) for i in range(5)), ("big.ttf", b"x" * 99_999)) ,
        gzip.compress(bytes(50_000_000)),
        tarred(("bomb.bin", bytes(30_000_000))),
    ):  # fmt: skip
        found = post(body)
        assert found.status_code in (413, 422), found.text
        name = found.json()["type"].rpartition(":")[2]
        assert name in ("archive-too-large", "too-many-fonts")
        assert found.json()["limit"] > 0


def test_a_member_of_a_bomb_is_counted_as_it_comes(tmp_path):
    """Whatever its header says."""
    honest = zipped(("bomb.ttf", bytes(20_000_000)))
    for lie in (False, True):
        body = honest
        if lie:  # its directory says 1000 bytes
            at = body.rindex(b"PK\x01\x02") + 24
            body = body[:at] + struct.pack("<I", 1000) + body[at + 4 :]
        files = JobFiles(tmp_path, f"job-{lie}")
        files.make()
        (files.arriving / "1").write_bytes(body)
        unpacking = Unpacking(files.font, 10, 10_000_000_000, 10_000_000_000)
        with pytest.raises(Exception, match=r"200 times its size|cannot be unpacked"):
            unpacking.take("bomb.zip", files.arriving / "1")
        assert sum(file.stat().st_size for file in files.fonts.iterdir()) < 10_000_000


def test_a_list_of_members_that_is_itself_a_bomb_is_not_read(tmp_path):
    body = zipped(*((f"{i}/{'x' * 200}.txt", b"") for i in range(20_000)))
    files = JobFiles(tmp_path, "job")
    files.make()
    (files.arriving / "1").write_bytes(body)
    with pytest.raises(Exception, match=r"has more than 4194304 bytes"):
        Unpacking(files.font, 10, 10**9, 10**9).take("list.zip", files.arriving / "1")
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**32  # a header of 4 GiB
    (files.arriving / "2").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**23))
    with pytest.raises(Exception, match=r"has more than 4194304 bytes"):
        Unpacking(files.font, 10, 10**9, 10**9).take("header.tar", files.arriving / "2")


@pytest.mark.parametrize("pack", [zipped, tarred, lambda *members: tarred(*members, mode="w")])
def test_an_archive_that_breaks_off_is_refused_wherever_it_does(post, service, is_problem, font, pack):
    whole = pack(("a.ttf", font), ("b.ttf", font[::-1]))
    for share in (0.1, 0.3, 0.5):
        is_problem(post(whole[: int(share * len(whole))]), 422, "bad-archive")
    damaged = bytearray(whole)
    damaged[300:340] = bytes(40)
    assert post(bytes(damaged)).status_code in (202, 422)


def test_encrypted_members_and_unusual_packing_are_passed_over(post, service, font):
    body = bytearray(zipped(("a.ttf", font), ("secret.ttf", font)))
    body[body.rindex(b"PK\x01\x02") + 8] |= 1
    assert accepted(post(bytes(body)))["skipped"] == [{"name": "secret.ttf", "reason": "encrypted"}]
    body = zipped(("a.ttf", font), kind=zipfile.ZIP_LZMA)
    assert "packed in a way" in post(body).json()["detail"]


def test_limits_are_told(post, service, is_problem, font):
    assert is_problem(post(bytes(1_000_001)), 413, "body-too-large")["limit"] == 1_000_000
    parts = iter([bytes(600_000)] * 2)
    assert is_problem(post(parts), 413, "body-too-large")["unit"] == "bytes"
    six = [("font", (f"{i}.ttf", font)) for i in range(6)]
    assert is_problem(service.client.post("/fonts/score", files=six), 413, "too-many-fonts")["limit"] == 5
    is_problem(post(zipped(*((f"{i}.ttf", font) for i in range(6)))), 413, "too-many-fonts")
    document = is_problem(post(zipped(("big.ttf", bytes(100_001)), ("a.txt", b""))), 422, "no-fonts")
    assert "larger than 100000 bytes" in document["detail"]
    is_problem(post(bytes(100_001), name="big.ttf"), 422, "no-fonts")


def test_what_is_no_font_to_begin_with_is_a_problem(post, service, is_problem, font):
    is_problem(post(b""), 400, "empty-body")
    is_problem(post(zipped()), 422, "no-fonts")
    is_problem(post(gzip.compress(font)), 422, "bad-archive")
    is_problem(post(font, "image/png"), 415, "unsupported-media-type")
    is_problem(post(font, model="moons"), 404, "unknown-model")
    is_problem(post(font, "multipart/form-data"), 400, "malformed-body")
    is_problem(post(b"--b\r\n", "multipart/form-data; boundary=b"), 400, "malformed-body")
    is_problem(service.client.post("/fonts/score", files={"image": ("a", font)}), 422, "invalid-request")
    is_problem(service.client.post("/fonts/score", data={"font": "x"}, files={"font": ("a", b"")}), 422,
               "invalid-request")  # fmt: skip


def test_nothing_is_left_of_what_was_refused(post, service, font):
    job = accepted(post(font))
    finished(service.client, job)
    before = set((service.folder / "jobs").iterdir())
    for body in (b"", zipped(), zipped(("a.ttf", font))[:-30], bytes(1_000_001)):
        assert post(body).status_code >= 400
    assert set((service.folder / "jobs").iterdir()) - before == set()


def test_a_name_is_only_a_text(post, service, font):
    strange = "\u202egpj.\N{ARABIC LETTER AIN}<script>\n\x00\udcff" + "x" * 300 + ".ttf"
    job = accepted(post(tarred((strange, font))))
    [name] = names(service.client, job)
    assert len(name) <= 255
    assert name.isprintable()
    job = accepted(post(font, name="../<b>&\u2028.ttf"))
    assert names(service.client, job) == ["../<b>&\ufffd.ttf"]
    assert b"<b>&" not in service.client.get(f"/jobs/{job['id']}/report?format=html").content


def test_a_queue_that_is_full_refuses(serve, tmp_path, font, is_problem):
    with serve(jobs=tmp_path / "jobs", max_jobs=2) as running:
        fonts = [("font", (f"{i}.ttf", font)) for i in range(100)]
        answers = [running.client.post("/fonts/score", files=fonts) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        is_problem(answers[2], 429, "job-queue-full")
        assert int(answers[2].headers["retry-after"]) > 0
        assert running.client.delete(f"/jobs/{answers[1].json()['id']}").status_code == 200
        assert running.client.post("/fonts/score", content=font).status_code == 202


def test_many_may_post_at_once(serve, tmp_path, font):
    with serve(jobs=tmp_path / "jobs") as running:
        answers = []
        posting = [
            threading.Thread(target=lambda: answers.append(running.client.post("/fonts/score", content=font)))
            for _ in range(8)
        ]
        for thread in posting:
            thread.start()
        for thread in posting:
            thread.join()
        assert {finished(running.client, accepted(answer))["status"] for answer in answers} == {"done"}


def test_a_full_disk_refuses_and_the_service_goes_on(serve, tmp_path, font, is_problem, small_disk):
    with serve(jobs=small_disk / "jobs") as running:
        (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 64 * 1024))
        big = running.client.post("/fonts/score", content=bytes(300_000))
        is_problem(big, 507, "storage-full")
        (small_disk / "filler").unlink()
        assert finished(running.client, accepted(running.client.post("/fonts/score", content=font)))[
            "status"
        ] == "done"  # fmt: skip
