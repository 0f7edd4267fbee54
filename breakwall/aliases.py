"""Makes `worker` and `producers` second names of `breakwall.worker` and `breakwall.producers`.

A shop may have a `worker.py` of its own, so nothing of ours imports by the short names. An import by a short name
gives the same modules: no class, task or signal is there twice.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def also_known_as(short: str) -> None:
    """Make ``short``, which is being imported, a name of the package ``breakwall.<short>`` and of all that is in it."""
    if _FINDER not in sys.meta_path:
        # In front of the others: they would find the files under the short name too, and run them once more.
        sys.meta_path.insert(0, _FINDER)
    sys.modules[short] = importlib.import_module(f"breakwall.{short}")


class _SecondNames(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        ours = sys.modules.get(f"breakwall.{package}")
        if path is None or ours is None or sys.modules.get(package) is not ours:
            return None
        real = find_spec(f"breakwall.{fullname}")
        return real and ModuleSpec(fullname, _SecondName(real.name), origin=real.origin)


class _SecondName(Loader):
    """Loads the module whose first name is ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just replaced it by the second name's.
        module.__spec__ = self._spec


_FINDER = _SecondNames()
