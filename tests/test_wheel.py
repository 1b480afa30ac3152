"""The wheel works without the repository: built, installed elsewhere, run from an empty folder."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]

XOR = """
import pathlib, sys, torch, refnet
assert pathlib.Path(refnet.__file__).is_relative_to(sys.argv[1]), refnet.__file__
data = refnet.XOR()
loader = refnet.Loader(data, refnet.SequentialSampler(data, 4))
torch.manual_seed(0)
model = refnet.xor_net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
trainer = refnet.Trainer(model, optimizer, device="cpu", verbose=False)
trainer.fit(loader, epochs=500)
print(trainer.evaluate(loader).correct, len(refnet.FashionMNIST(sample=True)))
"""


def build_wheel(folder):
    """Build the source archive, and the wheel out of it; return why that failed, or ""."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.fixture(scope="session")
def wheel(made_once):
    (path,) = made_once("wheel", build_wheel).glob("*.whl")
    return path


@pytest.fixture(scope="session")
def archive(made_once):
    (path,) = made_once("wheel", build_wheel).glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", folder, wheel]
    subprocess.run(command, check=True, capture_output=True)
    for name in needed(requirements(folder)):  # linked, not fetched: torch is large
        installed = importlib.metadata.distribution(name)
        for part in {file.parts[0] for file in installed.files} - {"..", "__pycache__"}:
            if not (folder / part).exists():
                (folder / part).symlink_to(installed.locate_file(part))
    return folder


def requirements(folder):
    """Return what the wheel asks for, without its extras."""
    (refnet,) = importlib.metadata.distributions(name="refnet", path=[str(folder)])
    return [line for line in refnet.requires or [] if "extra ==" not in line]


def needed(lines):
    """Return the names of the packages asked for, and of those that they ask for in turn."""
    names, left = set(), [Requirement(line) for line in lines]
    while left:
        asked = left.pop()
        for extra in ("", *asked.extras):
            if (asked.name, extra) not in names:
                names.add((asked.name, extra))
                more = map(Requirement, importlib.metadata.requires(asked.name) or [])
                left += [r for r in more if not r.marker or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in names}


def run(installed, folder, *arguments):
    """Run Python in an empty folder, with the wheel and what it asks for, and nothing else."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-S", *map(str, arguments)]  # -S: no other site-packages
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_the_package_its_data_its_licences_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"refnet", "refnet-0.1.0.dist-info"}
    assert "refnet/py.typed" in names
    licences = [name for name in names if "/licenses/" in name]
    assert any(name.endswith("/LICENSE") for name in licences)
    assert any(name.endswith("LICENSE-fashion-mnist") for name in licences)
    assert any(name.endswith("LICENSE-mnist") for name in licences)
    sources = {f"refnet/{path.name}" for path in (ROOT / "src" / "refnet").glob("*.py")}
    assert sources <= set(names)


def test_the_source_archive_holds_course_and_tests_and_nothing_built(archive):
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "tox.ini"}
    assert wanted | {"docs/start.md", "examples/xor.py", "tests/test_wheel.py"} <= names
    built = ("docs/_generated", "site/", "build/", "dist/", ".tox", ".git/")
    assert [name for name in names if name.startswith(built) or "__pycache__" in name] == []
    assert archive.stat().st_size < 10_000_000


def test_what_an_index_shows_of_the_package_has_no_link_into_the_repository(installed):
    (refnet,) = importlib.metadata.distributions(name="refnet", path=[str(installed)])
    about = refnet.metadata
    assert about["Description-Content-Type"] == "text/markdown"
    text = about.get_payload()
    assert text.startswith("# refnet\n")
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link] == []
    assert about["Version"] == "0.1.0"


def test_the_description_and_the_readme_show_the_same_program():
    fences = [
        re.findall(r"```(?:python|text)\n.*?```", (ROOT / name).read_text("utf-8"), re.DOTALL)
        for name in ("PACKAGE.md", "README.md", "README.zh-CN.md")
    ]
    assert fences[0] == fences[1] == fences[2] != []


def test_citation_and_metadata_name_the_same_version_and_licences():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: [{project['license'].replace(' AND ', ', ')}]\n" in citation
    assert f"## {project['version']} " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_embedded_sample_takes_at_most_3_mb_of_the_wheel(wheel):
    files = zipfile.ZipFile(wheel).infolist()
    data = [
        file.compress_size for file in files if file.filename.startswith("refnet/data/samples/")
    ]
    assert 0 < sum(data) <= 3_000_000


def test_every_package_imported_is_asked_for_by_the_wheel(installed):
    asked = {Requirement(line).name for line in requirements(installed)}
    owners = importlib.metadata.packages_distributions()
    for path in (ROOT / "src" / "refnet").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for module in {name.split(".")[0] for name in modules} - {"refnet"}:
                known = module in sys.stdlib_module_names or asked & set(owners[module])
                assert known, f"{path.name} imports {module}"


def test_xor_is_trained_and_the_sample_is_there(installed, tmp_path):
    process = run(installed, tmp_path, "-c", XOR, installed)
    assert (process.stdout, process.stderr) == ("4 3000\n", "")


def test_the_doctor_runs(installed, tmp_path):
    process = run(installed, tmp_path, "-m", "refnet", "doctor")
    assert process.returncode == 0
    assert "broken:                   nothing" in process.stdout
    assert process.stderr == ""


def test_the_command_refnet_runs_as_the_module_does(installed, tmp_path):
    program = installed / "bin" / "refnet"
    by_name = run(installed, tmp_path, program, "--help")
    as_module = run(installed, tmp_path, "-m", "refnet", "--help")
    assert by_name.returncode == as_module.returncode == 0
    assert by_name.stdout.startswith("usage: refnet ")
    assert as_module.stdout.startswith("usage: python -m refnet ")
