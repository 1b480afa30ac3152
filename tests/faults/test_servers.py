"""Promise 3: any faulty server gives the right data or a clear error within 15 seconds."""

import hashlib
import os
import random
import subprocess
import sys
import termios
import threading
import time
import urllib.request
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from server import FaultyServer

from refnet.data.fetch import MIRRORS, _Redirect, fetch_file
from refnet.errors import DataError, MissingDataError

BODY = random.Random(0).randbytes(200_000)
MOST = 400_000
FAULTS = {  # what the error must say of the address
    "always-500": "500",
    "forbidden-403": "403",
    "missing-404": "404",
    "page": "sent other bytes",
    "flipped": "sent other bytes",
    "truncated": "100000 of 200000 bytes",
    "truncated-unannounced": "sent other bytes",
    "length-too-short": "sent other bytes",
    "length-no-number": "sent other bytes",
    "no-http": "SSH-2.0",
    "endless": f"more than {MOST} bytes",
    "redirect-loop": "redirect",
    "redirect-to-file": "file:///etc/hostname",
    "redirect-to-ftp": "ftp://",
    "hang-before": "stalled after 0 bytes",
    "hang-inside": "stalled after 1000 bytes",
    "slow": "stalled after",
    "slow-header": "stalled after 0 bytes",
    "reset": "reset",
    "reset-at-once": "reset",
}
FINAL = {"forbidden-403", "missing-404", "page", "flipped", "truncated-unannounced", "endless"}
ONCE = {"length-too-short", "length-no-number", "redirect-to-file", "redirect-to-ftp"} | FINAL


def check(path):
    data = path.read_bytes()
    if hashlib.sha256(data).digest() != hashlib.sha256(BODY).digest():
        raise DataError(f"{path}: expected the file, got other bytes. Fetch it again.")
    return data


@pytest.fixture(scope="module")
def server():
    with FaultyServer({"file": BODY, "real": BODY}) as server:
        yield server


def get(urls, target):
    # a tenth of the default limits: the same code in a tenth of the time
    return fetch_file(urls, target, check, MOST, "Ways out.", stall=0.4, patience=1.0)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_server_alone_gives_a_clear_error_and_no_file(server, tmp_path, fault):
    url = f"{server.url}/{fault}/file"
    began = time.monotonic()

    with pytest.raises(MissingDataError) as caught:
        get([url], tmp_path / "file")

    assert time.monotonic() - began < 5  # patience 1 s, pauses 0.2 s, the rest is a slow machine
    text = str(caught.value)
    assert url in text
    assert FAULTS[fault] in text
    assert "expected file from one of 1 addresses" in text
    assert text.endswith("Ways out.")
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_is_tried_and_the_data_is_right(server, tmp_path, fault):
    urls = [f"{server.url}/{fault}/file", f"{server.url}/well/file"]

    assert get(urls, tmp_path / "file") == BODY

    assert (tmp_path / "file").read_bytes() == BODY
    assert not (tmp_path / "file.part").exists()


@pytest.mark.parametrize("good", ["well", "unannounced", "redirect", "thrice-503", "throttled"])
def test_a_good_enough_server_gives_the_right_data(server, tmp_path, good):
    assert get([f"{server.url}/{good}/file"], tmp_path / "file") == BODY


@pytest.mark.parametrize("fault", sorted(ONCE))
def test_an_address_that_says_no_is_not_asked_again(tmp_path, fault):
    with FaultyServer({"file": BODY}) as server:
        with pytest.raises(MissingDataError):
            get([f"{server.url}/{fault}/file"], tmp_path / "file")
        assert sum(server.asked.values()) == 1


def test_every_address_is_in_the_error_with_its_reason(server, tmp_path):
    faults = ["missing-404", "page", "always-500"]
    with pytest.raises(MissingDataError) as caught:
        get([f"{server.url}/{fault}/file" for fault in faults], tmp_path / "file")
    assert [f"/{fault}/file: " in str(caught.value) for fault in faults] == [True] * 3


def test_a_closed_port_and_an_unknown_name_are_reasons_too(tmp_path):
    with FaultyServer({}) as server:
        closed = server.url
    with pytest.raises(MissingDataError, match=r"refused.*invalid/file: "):
        get([f"{closed}/well/file", "http://refnet.invalid/file"], tmp_path / "file")


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_only_http_is_spoken(tmp_path, scheme):
    with pytest.raises(MissingDataError, match=f"unknown url type: {scheme}"):
        get([f"{scheme}:///etc/hostname"], tmp_path / "file")


def test_https_is_never_stepped_down_to_http():
    request = urllib.request.Request("https://a.invalid/file")
    with pytest.raises(HTTPError, match="refused"):
        _Redirect().redirect_request(request, None, 302, "", {}, "http://a.invalid/file")
    up = urllib.request.Request("http://a.invalid/file")
    assert _Redirect().redirect_request(up, None, 302, "", {}, "https://a.invalid/file")


@pytest.mark.parametrize("kind", MIRRORS)
def test_the_https_mirrors_come_before_any_other(kind):
    schemes = [urlsplit(base).scheme for base in MIRRORS[kind]]
    assert schemes == sorted(schemes, reverse=True)
    assert schemes[0] == "https"


def test_a_step_down_to_a_mirror_of_plain_http_is_said_once(tmp_path):
    with FaultyServer({"file": BODY}) as server:
        http = f"{server.url}/thrice-503/file"  # asked four times
        with pytest.warns(UserWarning, match="no https address has sent file, asking") as said:
            assert get(["https://127.0.0.1:9/file", http], tmp_path / "file") == BODY
    assert [http in str(warning.message) for warning in said] == [True]


def test_an_http_mirror_of_ones_own_is_no_step_down(server, tmp_path):
    urls = [f"{server.url}/well/file", "https://127.0.0.1:9/file"]
    assert get(urls, tmp_path / "file") == BODY  # a warning would be an error here


def test_with_the_default_limits_the_worst_servers_take_less_than_15_seconds(server, tmp_path):
    took = {}

    def run(fault):
        began = time.monotonic()
        with pytest.raises(MissingDataError):
            fetch_file([f"{server.url}/{fault}/real"], tmp_path / fault, check, MOST)
        took[fault] = time.monotonic() - began

    faults = ["hang-before", "hang-inside", "slow", "slow-header"]  # slow: one byte a second
    threads = [threading.Thread(target=run, args=(fault,)) for fault in faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(took) == sorted(faults)
    assert max(took.values()) < 15


def test_a_slow_line_that_keeps_sending_gets_its_file(tmp_path):
    # 1000 bytes each 0.05 s, for 1.8 s: three times the patience, and never 0.6 s without a piece
    body = BODY[:36_000]

    def check_small(path):
        if path.read_bytes() != body:
            raise DataError("x: expected y, got z. Do it.")
        return len(body)

    with FaultyServer({"file": body}) as server:
        url = f"{server.url}/steady/file"
        got = fetch_file([url], tmp_path / "file", check_small, MOST, stall=0.6, patience=0.6)
    assert got == len(body)


def test_a_proxy_is_honoured(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert get(["http://refnet.invalid/well/file"], tmp_path / "file") == BODY


def test_no_bar_is_drawn_where_stderr_is_no_terminal(server, tmp_path, capfd):
    get([f"{server.url}/well/file"], tmp_path / "file")
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_drawn_on_a_terminal_and_cleared(server, tmp_path):
    terminal, its_other_end = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    code = (
        "import sys; from pathlib import Path; from refnet.data.fetch import fetch_file\n"
        "fetch_file([sys.argv[1]], Path(sys.argv[2]), lambda path: None, 10**6)"
    )
    command = [sys.executable, "-c", code, f"{server.url}/throttled/file", str(tmp_path / "file")]
    subprocess.run(command, stderr=its_other_end, timeout=60, check=True)
    os.set_blocking(terminal, False)
    drawn = os.read(terminal, 10_000).decode()
    os.close(its_other_end)
    os.close(terminal)
    assert "file:" in drawn
    assert "200k" in drawn
    assert drawn.rstrip(" ").endswith("\r")


def test_a_file_in_place_is_not_asked_for(server, tmp_path):
    (tmp_path / "file").write_bytes(BODY)
    assert get(["http://refnet.invalid/file"], tmp_path / "file") == BODY


def test_a_wrong_file_in_place_is_replaced(server, tmp_path):
    (tmp_path / "file").write_bytes(BODY[:-1])
    assert get([f"{server.url}/well/file"], tmp_path / "file") == BODY
    assert (tmp_path / "file").read_bytes() == BODY
