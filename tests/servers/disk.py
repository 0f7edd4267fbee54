"""A small disk for one folder, to be filled: a tmpfs, which needs the right to mount."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import UnavailableError
from tests.servers.workspace import Workspace

BALLOON = "balloon"


class SmallDisk:
    """Mounted over a folder, whose content is hidden until the workspace unmounts it in the end.

    Raises `UnavailableError` if this process may not mount.
    """

    def __init__(self, workspace: Workspace, folder: Path, megabytes: int) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise UnavailableError("a disk that is full: only root may mount one, on Linux")
        folder.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            raise UnavailableError("a disk that is full: nothing may be mounted here")
        workspace.run_at_the_end(["umount", "--lazy", str(folder)])
        self.folder = folder

    def fill(self) -> None:
        """Use up all space, in one file."""
        # Large pieces first: that is faster.
        with (self.folder / BALLOON).open("ab", buffering=0) as file:
            for piece in (1_048_576, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(piece))

    def free(self) -> None:
        """Free the space again. Safe to call twice."""
        (self.folder / BALLOON).unlink(missing_ok=True)

    @contextlib.contextmanager
    def filled(self) -> Iterator[None]:
        """Full for the block."""
        self.fill()
        try:
            yield
        finally:
            self.free()

    def unmount(self) -> None:
        """Before the workspace does it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
