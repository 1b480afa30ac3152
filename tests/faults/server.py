"""A real server on the loopback that answers as badly as the first part of the path asks for."""

import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = b"<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"


class FaultyServer(ThreadingHTTPServer):
    """Serve ``files`` at ``/<behaviour>/<name>``; ``asked`` counts the requests by path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.lock = files, Counter[str](), threading.Lock()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "FaultyServer":
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *details: Any) -> None:
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of a faulty server go away in the middle: that is no news."""


class Handler(BaseHTTPRequestHandler):
    server: FaultyServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.removeprefix("http://refnet.invalid")  # as a proxy is asked
        with self.server.lock:
            self.server.asked[path] += 1
        behaviour, _, name = path.lstrip("/").partition("/")
        self.body = self.server.files.get(name, b"")
        getattr(self, behaviour.replace("-", "_"))(path, name)

    def send(self, body: bytes, length: int | None = None, code: int = 200) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def wait(self, seconds: float = 60.0) -> None:
        self.server.closing.wait(seconds)

    def well(self, path: str, name: str) -> None:
        if name in self.server.files:
            self.send(self.body, len(self.body))
        else:
            self.send(b"", 0, 404)

    def unannounced(self, path: str, name: str) -> None:
        self.send(self.body)

    def throttled(self, path: str, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        step = len(self.body) // 50 + 1
        for start in range(0, len(self.body), step):
            self.wfile.write(self.body[start : start + step])
            time.sleep(0.002)

    def always_500(self, path: str, name: str) -> None:
        self.send(b"", 0, 500)

    def thrice_503(self, path: str, name: str) -> None:
        if self.server.asked[path] <= 3:
            self.send(b"", 0, 503)
        else:
            self.well(path, name)

    def forbidden_403(self, path: str, name: str) -> None:
        self.send(b"", 0, 403)

    def missing_404(self, path: str, name: str) -> None:
        self.send(b"", 0, 404)

    def page(self, path: str, name: str) -> None:
        self.send(PAGE, len(PAGE))

    def flipped(self, path: str, name: str) -> None:
        middle = len(self.body) // 2
        wrong = bytes([self.body[middle] ^ 1])
        self.send(self.body[:middle] + wrong + self.body[middle + 1 :], len(self.body))

    def truncated(self, path: str, name: str) -> None:
        self.send(self.body[: len(self.body) // 2], len(self.body))

    def truncated_unannounced(self, path: str, name: str) -> None:
        self.send(self.body[: len(self.body) // 2])

    def length_too_short(self, path: str, name: str) -> None:
        self.send(self.body, len(self.body) - 10)

    def length_no_number(self, path: str, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "many")
        self.end_headers()
        self.wfile.write(self.body[:100])

    def no_http(self, path: str, name: str) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    def endless(self, path: str, name: str) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.closing.is_set():
            self.wfile.write(bytes(1 << 16))

    def redirect(self, path: str, name: str) -> None:
        self.go(f"/well/{name}")

    def redirect_loop(self, path: str, name: str) -> None:
        self.go(path)

    def redirect_to_file(self, path: str, name: str) -> None:
        self.go("file:///etc/hostname")

    def redirect_to_ftp(self, path: str, name: str) -> None:
        self.go("ftp://127.0.0.1/hostname")

    def go(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def hang_before(self, path: str, name: str) -> None:
        self.wait()

    def hang_inside(self, path: str, name: str) -> None:
        self.send(self.body[:1000], len(self.body))
        self.wait()

    def slow(self, path: str, name: str) -> None:
        self.send(b"", len(self.body))
        self.drip(self.body)

    def steady(self, path: str, name: str) -> None:
        self.send(b"", len(self.body))
        for start in range(0, len(self.body), 1000):
            self.wfile.write(self.body[start : start + 1000])
            self.wait(0.05)

    def slow_header(self, path: str, name: str) -> None:
        self.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 60)

    def drip(self, body: bytes) -> None:
        for i in range(len(body)):
            if self.server.closing.is_set():
                return
            self.wfile.write(body[i : i + 1])
            self.wait(1.0 if self.path.endswith("real") else 0.1)

    def reset(self, path: str, name: str) -> None:
        self.send(self.body[:1000], len(self.body))
        self.drop()

    def reset_at_once(self, path: str, name: str) -> None:
        self.drop()

    def drop(self) -> None:
        """Close the connection by RST, as a crashed server or a firewall does."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
