"""Serve the built site on this machine as a web server would, 404 page included.

`python docs/serve.py` serves site/ at http://localhost:8000/; `--port 0` takes any free port.
"""

import argparse
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parents[1] / "site"


class Pages(SimpleHTTPRequestHandler):
    """Files of one folder; an address that is not there gets the site's own 404 page."""

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory, "404.html")
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def copyfile(self, source, outputfile):
        with suppress(ConnectionError):  # the reader has left the page
            super().copyfile(source, outputfile)

    def log_message(self, *arguments):
        """Print no line for each request."""


def server(site, port=0):
    """Return a server of a folder, on this machine's own address only."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Pages, directory=str(site)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the built site on this machine.")
    parser.add_argument("--site", type=Path, default=SITE, help="folder of the built site")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    if not (arguments.site / "index.html").exists():
        parser.error(f"{arguments.site}: expected a built site. Run `python docs/build.py` first.")
    with server(arguments.site, arguments.port) as site:
        print(f"http://localhost:{site.server_port}/ (Ctrl+C ends it)", flush=True)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print()
