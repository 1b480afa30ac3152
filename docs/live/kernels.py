"""The kernels, from C to WebAssembly, by the compiler that the package ziglang brings."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).parent / "kernels.c"
OPTIONS = [
    *("-target", "wasm32-freestanding", "-O3", "-msimd128"),
    "-ffp-contract=off",  # a * b + c rounded twice, alike in every browser
    *("-fno-builtin", "-fno-sanitize=all", "-nostdlib"),
    *("-Wl,--no-entry", "-Wl,--import-memory", "-Wl,--strip-all"),
]


def compiler():
    """Return the command of the compiler, or None where it is not installed."""
    return [sys.executable, "-m", "ziglang", "cc"] if find_spec("ziglang") else None


def kernels():
    """Return kernels.c as the bytes of a WebAssembly module."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "kernels.wasm")
        command = [*compiler(), *OPTIONS, str(SOURCE), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        if done.returncode != 0:
            raise RuntimeError(f"kernels.c: expected it to compile, got:\n{done.stderr}")
        return target.read_bytes()
