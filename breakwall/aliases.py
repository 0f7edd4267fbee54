"""Makes `worker` and `producers` second names of `breakwall.worker` and `breakwall.producers`.

A shop may have its own `worker.py`, so Breakwall never imports by the short names. An import by a short name returns
the same modules, so that no class, task or signal exists twice.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def also_known_as(short: str) -> None:
    """Make ``short``, while it is imported, a second name of ``breakwall.<short>`` and of all its modules."""
    if _FINDER not in sys.meta_path:
        # First: the other finders would find the files by the short name too, and run them again.
        sys.meta_path.insert(0, _FINDER)
    sys.modules[short] = importlib.import_module(f"breakwall.{short}")


class _SecondNames(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        ours = sys.modules.get(f"breakwall.{package}")
        if path is None or ours is None or sys.modules.get(package) is not ours:
            return None
        real = find_spec(f"breakwall.{fullname}")
        return real and ModuleSpec(fullname, self, origin=real.origin)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"breakwall.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has replaced it by the second name's.
        module.__spec__ = module.__spec__ and module.__spec__.loader_state


_FINDER = _SecondNames()
