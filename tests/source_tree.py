"""Reads the source of the product and of the tests: modules, imports and names."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"

FOLDERS = {"breakwall": "breakwall", "breakwall.producers": "producers", "breakwall.worker": "worker"}
"""The folder of each package. `breakwall/producers` and `breakwall/worker` are links."""


@dataclass(frozen=True)
class Module:
    """One file of Python."""

    name: str  # As it is imported: "breakwall.worker.app".
    file: Path  # Relative to the repository: "worker/app.py".

    @cached_property
    def source(self) -> str:
        return (ROOT / self.file).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def is_package(self) -> bool:
        return self.file.name == "__init__.py"

    @property
    def only_exports(self) -> bool:
        """Whether it defines nothing: a docstring, imports and constants."""
        plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
        return all(isinstance(node, plain) for node in self.tree.body)

    @cached_property
    def classes(self) -> set[str]:
        """The names of its classes, also of those inside others."""
        return {node.name for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)}

    @cached_property
    def names(self) -> set[str]:
        """The names of its classes, functions, parameters, variables, constants and attributes."""
        found = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                    found.add(node.name)
                case ast.arg():
                    found.add(node.arg)
                case ast.Name(ctx=ast.Store()):
                    found.add(node.id)
                case ast.Attribute(ctx=ast.Store()):
                    found.add(node.attr)
        return found

    @cached_property
    def imported(self) -> set[str]:
        """What its import statements name, at any place in the file: modules, and names in modules."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        return found


@cache
def product_modules() -> dict[str, Module]:
    """The product's modules by name."""
    modules = [module for package, folder in FOLDERS.items() for module in _modules(package, ROOT / folder)]
    return {module.name: module for module in modules}


@cache
def suite_modules() -> dict[str, Module]:
    """The tests' modules by name."""
    return {module.name: module for module in _modules("tests", TESTS)}


def _modules(package: str, folder: Path) -> Iterator[Module]:
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder)
        if not any((folder / parent).is_symlink() for parent in inside.parents):
            parts = [package, *inside.with_suffix("").parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield Module(name, file.relative_to(ROOT))


def imports(module: Module, among: dict[str, Module]) -> set[str]:
    """The modules of `among` that it imports; of a name in a module, the module."""
    shops_names = {"producers", "worker"}  # the second names that a shop may import
    named = {
        f"breakwall.{name}" if name.partition(".")[0] in shops_names else name for name in module.imported
    }
    return (named & among.keys()) - {module.name}
