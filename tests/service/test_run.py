"""Serving as a process: it starts, answers, drains and refuses what it cannot serve."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from glyphs.errors import BadBundle
from service.errors import BadSettings
from service.run import serve
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import signal
from service.run import serve
from service.settings import read_settings
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests run under: after nohup it would be ignored
serve(read_settings())
"""


def test_a_missing_bundle_is_refused_before_anything_listens(tmp_path):
    with pytest.raises(BadBundle, match="no bundle"):
        serve(Settings(bundles=[tmp_path]))


def test_an_altered_bundle_is_refused_in_one_line(bundle, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "altered")
    with (folder / "labels.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BadBundle, match=r"labels\.json") as raised:
        serve(Settings(bundles=[folder]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_port_that_is_taken_is_refused_with_what_to_do(bundle, processes):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSettings, match=rf"^Port {port} of 127\.0\.0\.1 is in use.*--port"):
            serve(Settings(bundles=[bundle], port=port, processes=processes))


def test_an_address_of_another_machine_is_refused_with_what_to_do(bundle):
    nobodys = "192.0.2.1"  # RFC 5737: in documents alone
    with pytest.raises(BadSettings, match=rf"^Nothing can listen at {re.escape(nobodys)}: .*--host"):
        serve(Settings(bundles=[bundle], host=nobodys, open_access=True))


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_serves_until_it_is_told_to_stop_and_finishes_what_it_began(bundle, picture, told):
    environment = os.environ | {
        "GLYPHERY_BUNDLES": str(bundle),
        "GLYPHERY_PORT": "0",
        "GLYPHERY_EXECUTORS": "1",
        "GLYPHERY_PROCESSES": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    log = []
    rest = threading.Thread(target=lambda: log.extend(process.stderr), daemon=True)
    rest.start()
    try:
        until = time.monotonic() + 30
        while not (found := re.search(r"running on (http://\S+)", "".join(log))):
            assert process.poll() is None, "".join(log)
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        with httpx.Client(base_url=found[1], trust_env=False) as client:
            until = time.monotonic() + 20
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.02)
            response = client.post("/classify", content=picture("98"))
            assert response.json()["predictions"][0]["label"] == "98"
            assert "server" not in response.headers

            def slowly():  # a body that is still arriving when the signal comes
                data = picture("98")
                yield data[:50]
                process.send_signal(told)
                time.sleep(0.3)
                yield data[50:]

            assert client.post("/classify", content=slowly()).json()["predictions"][0]["label"] == "98"
        assert process.wait(20) in (0, -signal.SIGTERM)
        rest.join(5)  # the log is whole once the process has ended
        assert "Traceback" not in "".join(log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        rest.join(5)
        process.stderr.close()
