"""Does constraints.txt hold on the oldest Python that refnet allows? `--renew` writes it anew.

Each pin is asked for its Requires-Python: where the package is installed in that version, there and
without a network; pip asks an index about the others (those of the bench).
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BENCH = ("scikit-learn", "skorch", "lightning", "keras")  # what tox.ini adds for the bench
KEPT = ("torch",)  # raised by hand: its builds for CPU and CUDA come from several indexes
HEAD = (
    "# The versions that were tested together (Linux, CPU). tox and CI install these; renewed by\n"
)
HEAD += "# `python -m tox run -e lock`.\n"


def oldest_python():
    """Return the lowest version that requires-python allows: ">=3.11" is 3.11.0."""
    lowest = re.fullmatch(r">=(\d+\.\d+)", PROJECT["project"]["requires-python"])
    return f"{lowest[1]}.0"


def read_pins(text):
    """Return the pins of a file: {name: version}, its comments left out."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def installed_says(name, version):
    """Return the Requires-Python of a package that is installed in this version, else None."""
    try:
        package = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if package.version.partition("+")[0] != version:
        return None
    return package.metadata.get("Requires-Python", "")


def ask_pip(python, requirements, report, *options):
    """Let pip resolve for another Python, and return how that went; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += [
        "--python-version",
        python,
        "--only-binary",
        ":all:",
        "--target",
        str(report.parent),
    ]
    command += ["--report", str(report), *options, *requirements]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT)


def refused_by_index(python, pins):
    """Return the pins that pip cannot take for their Requires-Python, one at a time."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = [f"{name}=={version}" for name, version in pins.items()]
        done = ask_pip(python, pinned, Path(folder, "report.json"), "--no-deps")
    if done.returncode == 0:
        return []
    named = re.search(r"No matching distribution found for (\S+?)==(\S+)", done.stderr)
    wants = named and re.search(rf"\b{re.escape(named[2])} Requires-Python (\S+)", done.stderr)
    if not wants:
        print(f"not looked up, pip could not ask: {', '.join(pins)}", file=sys.stderr)
        return []
    return [(named[1], named[2], wants[1].rstrip(";"))]


def check(pins, python):
    """Return a sentence for each pin that the oldest Python does not take."""
    refused = []
    elsewhere = {}
    for name, version in pins.items():
        wanted = installed_says(name, version)
        if wanted is None:
            elsewhere[name] = version
        elif python not in SpecifierSet(wanted):
            refused.append((name, version, wanted))
    refused += refused_by_index(python, elsewhere) if elsewhere else []
    return [
        f"{PINS.name}: expected versions for Python {python}, got {name}=={version}, which wants "
        f"{wanted}. Pin an older {name}, or renew all: python -m tox run -e lock."
        for name, version, wanted in refused
    ]


def asked_for():
    """Return all that the project asks for: the package, its extras, its groups, the bench."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *BENCH, "editables"]
    for extra in project["optional-dependencies"].values():
        lines += extra
    for group in PROJECT["dependency-groups"].values():
        lines += [line for line in group if isinstance(line, str)]
    return sorted(set(lines))


def renew(python):
    """Write the newest versions that the oldest Python takes, and return the exit code."""
    kept = {name: version for name, version in read_pins(PINS.read_text()).items() if name in KEPT}
    wanted = [line for line in asked_for() if Requirement(line).name not in kept]
    wanted += [f"{name}=={version}" for name, version in kept.items()]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        done = ask_pip(python, wanted, report)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        taken = [each["metadata"] for each in json.loads(report.read_text())["install"]]
    lines = [f"{each['name']}=={each['version'].partition('+')[0]}\n" for each in taken]
    PINS.write_text(HEAD + "".join(sorted(lines, key=str.lower)), encoding="utf-8")
    print(f"{PINS.name}: {len(lines)} versions for Python {python} and newer")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="write constraints.txt anew")
    python = oldest_python()
    if parser.parse_args().renew:
        return renew(python)
    pins = read_pins(PINS.read_text(encoding="utf-8"))
    problems = check(pins, python)
    print("\n".join(problems) or f"{PINS.name}: {len(pins)} versions, all for Python {python}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
