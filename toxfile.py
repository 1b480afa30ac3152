"""Before any command: a sentence where tox cannot work, in place of its traceback or pip's."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tox.plugin import impl

NEEDED = 2 * 2**30  # bytes: what the packages take with PyTorch's CPU build, measured


def fault(root, work):
    """Return why the commands cannot run here and what to do, or ""."""
    for folder in (root, work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(bytes(2**20))
        except OSError as error:
            reason = f"{folder}: expected a folder to write into, got {error.strerror}."
            return f"{reason} Copy the repository to a folder of your own, on a disk with room."
    free = shutil.disk_usage(work).free
    if free < NEEDED and not (work / "torch").exists():
        reason = f"{work}: expected 2 GB of free disk for the packages, got {free / 2**30:.1f} GB."
        return f"{reason} Make room there, or name another folder: python -m tox run --workdir DIR."
    return ""


@impl
def tox_add_core_config(core_conf, state):
    if "list" in sys.argv or "TOX_ENV_NAME" in os.environ:  # asked already, by the tox around it
        return
    reason = fault(Path(core_conf["tox_root"]), Path(core_conf["work_dir"]))
    if reason:
        sys.exit(reason)
