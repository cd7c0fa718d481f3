"""The page as it is sent; what it does is tested in a browser, in `page/`."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

import service.page

FOLDER = Path(service.page.__file__).parent
FILES = sorted(file.name for file in FOLDER.iterdir() if file.is_file() and file.suffix != ".py")
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
WEIGHT = 150_000  # bytes


def policy(response):
    parts = (part.strip().partition(" ") for part in response.headers["content-security-policy"].split(";"))
    return {name: value.split() for name, _, value in parts}


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_is_sent_as_what_it_is(client, file):
    response = client.get(f"/page/{file}")
    assert response.content == (FOLDER / file).read_bytes()
    assert response.headers["content-type"].partition(";")[0] == MEDIA_TYPES[Path(file).suffix]
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("file", ["__init__.py", "nothing.js", "..%2Fapp.py", "%2e%2e/app.py", ""])
def test_nothing_else_is(client, is_problem, file):
    is_problem(client.get(f"/page/{file}"), 404, "not-found")


def test_the_page_is_at_the_root(client):
    response = client.get("/")
    assert response.content == (FOLDER / "index.html").read_bytes()
    assert response.headers["content-type"].startswith("text/html")


def test_the_page_needs_nothing_from_elsewhere_and_names_only_files_there_are():
    for file in FILES:
        text = (FOLDER / file).read_text(encoding="utf-8")
        named = re.findall(r"""(?:src|href)="([^"#]+)"|from "\./([^"]+)"|url\(([^)]+)\)""", text)
        for link in filter(None, (part for parts in named for part in parts)):
            assert not link.startswith(("http:", "https:", "//")), (file, link)
            name = link.removeprefix("/page/")
            assert name in FILES or link in ("/docs",), (file, link)


def test_every_module_is_fetched_at_once_and_not_one_after_the_other():
    index = (FOLDER / "index.html").read_text(encoding="utf-8")
    fetched = {*re.findall(r'modulepreload" href="/page/([^"]+)"', index), "app.js"}
    assert fetched == {file for file in FILES if file.endswith(".js")}


def test_the_page_weighs_little():
    assert sum((FOLDER / file).stat().st_size for file in FILES) < WEIGHT


@pytest.mark.parametrize("path", ["/", "/page/index.html"])
def test_only_the_pages_own_files_may_run_in_it(client, path):
    response = client.get(path)
    allowed = policy(response)
    assert allowed["default-src"] == ["'self'"]
    assert "script-src" not in allowed  # so that the default holds
    assert "unsafe" not in response.headers["content-security-policy"]
    assert allowed["frame-ancestors"] == ["'none'"]
    assert response.headers["x-frame-options"] == "DENY"
    assert "<style" not in response.text
    assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son\w+=", response.text)


def test_a_report_is_shown_where_it_has_no_origin_and_can_load_nothing(client):
    response = client.get("/page/frame.html")
    allowed = policy(response)
    assert allowed["sandbox"] == ["allow-scripts"]
    assert allowed["default-src"] == ["'none'"]
    assert "connect-src" not in allowed
    assert allowed["frame-ancestors"] == ["'self'"]
    assert response.headers["x-frame-options"] == "SAMEORIGIN"


def test_a_file_that_a_browser_has_is_not_sent_again(client):
    first = client.get("/page/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/app.js", headers={"If-None-Match": '"another"'}).status_code == 200


def test_files_are_compressed_for_who_can_read_that(client):
    with client.stream("GET", "/page/app.js", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["vary"] == "Accept-Encoding"
        sent = b"".join(response.iter_raw())
    assert gzip.decompress(sent) == (FOLDER / "app.js").read_bytes()
    plain = client.get("/page/app.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != response.headers["etag"]


def test_the_page_is_open_to_who_has_no_key_yet_and_counts_for_no_limit(serve, tmp_path, is_problem):
    keys = tmp_path / "keys.txt"
    keys.write_text(f"press:{sha256(b'a-key').hexdigest()}\n")
    with serve(keys=keys, rate_limit=1, rate_burst=1) as running:
        for path in ("/", *(f"/page/{file}" for file in FILES)):
            assert running.client.get(path).status_code == 200
        is_problem(running.client.get("/models"), 401, "unauthorized")
        is_problem(running.client.get("/pages"), 401, "unauthorized")
