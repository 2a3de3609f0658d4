"""Keep what the extension's CMake files and index entry list as the tree has it.

Slicer installs only the files that a CMakeLists.txt names, one by one: a forgotten one is silently
missing from the package. Run this from anywhere after files were added, moved or removed, and after
`REPOSITORY_URL` in `CrossModalSegLib/__init__.py` was set; it needs the standard library alone:

    python3 Testing/packaging/list_installed_files.py            # what is out of date?
    python3 Testing/packaging/list_installed_files.py --write    # bring it up to date
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python3 Testing/packaging/list_installed_files.py --write"
BEGIN = f"# begin: written by `{COMMAND}`\n"
END = "# end: written\n"

MODULE_FOLDERS = ("CrossModalSeg", "CrossModalSegLib")
SKIPPED_FOLDERS = {"__pycache__", "Testing"}
SKIPPED_SUFFIXES = {".bak", ".ckpt", ".log", ".orig", ".pyc", ".pyo", ".swp", ".tmp"}

INDEX_ENTRY = "CrossModalSeg.json"
ICON = "Resources/Icons/CrossModalSeg.png"
SCREENSHOTS = tuple(
    f"Resources/Screenshots/{name}.png"
    for name in ("segment-page", "segment-result", "models-page")
)
BRANCH = "main"

UNSET_REPOSITORY_URL = "https://repository-url-is-not-set.invalid/SlicerCrossModalSeg"
"""Stands for the repository while `REPOSITORY_URL` is empty: a valid URL that leads nowhere
(RFC 2606 keeps the name `invalid` free for ever)."""


class ListError(Exception):
    """A file that is to be written does not have the expected form."""


def repository_url(root: Path = ROOT) -> str:
    """Return the library's `REPOSITORY_URL`, or what stands for it while it is not set."""
    source = (root / "CrossModalSegLib" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REPOSITORY_URL":
            url = str(ast.literal_eval(node.value))
            return url.removesuffix("/").removesuffix(".git") or UNSET_REPOSITORY_URL
    raise ListError("CrossModalSegLib/__init__.py sets no REPOSITORY_URL; set it to a string.")


def file_url(path: str, root: Path = ROOT) -> str:
    """Return the address of a file's raw content in the repository."""
    return f"{repository_url(root)}/raw/{BRANCH}/{path}"


def files_to_install(folder: Path) -> list[str]:
    """Return the files of a module's folder that belong into the package, relative and sorted."""
    return sorted(
        relative.as_posix()
        for path in folder.rglob("*")
        if path.is_file() and _is_installed(relative := path.relative_to(folder))
    )


def _is_installed(relative: Path) -> bool:
    hidden = any(part.startswith(".") for part in relative.parts)
    skipped = not SKIPPED_FOLDERS.isdisjoint(relative.parts[:-1])
    leftover = relative.suffix in SKIPPED_SUFFIXES or relative.name.endswith("~")
    return not (hidden or skipped or leftover or relative.name == "CMakeLists.txt")


def expected_contents(root: Path = ROOT) -> dict[Path, str]:
    """Return what each file that is kept up to date should hold."""
    contents = {
        root / folder / "CMakeLists.txt": _module_lists(root / folder) for folder in MODULE_FOLDERS
    }
    contents[root / "CMakeLists.txt"] = _addresses(root)
    replaced = {path: _replace_block(path, block) for path, block in contents.items()}
    return replaced | {root / INDEX_ENTRY: _index_entry(root)}


def _module_lists(folder: Path) -> str:
    files = files_to_install(folder)
    scripts = [name for name in files if name.endswith(".py")]
    resources = [name for name in files if not name.endswith(".py")]
    return "\n".join(
        [
            _cmake_list("MODULE_PYTHON_SCRIPTS", scripts),
            _cmake_list("MODULE_PYTHON_RESOURCES", resources),
        ]
    )


def _cmake_list(name: str, values: Sequence[str]) -> str:
    return "\n".join([f"set({name}", *(f"  {value}" for value in values), "  )\n"])


def _addresses(root: Path) -> str:
    # The index reads these lines as text: one string in double quotes, no variables in it.
    screenshots = " ".join(file_url(path, root) for path in SCREENSHOTS)
    return (
        f'set(EXTENSION_HOMEPAGE "{repository_url(root)}")\n'
        f'set(EXTENSION_ICONURL "{file_url(ICON, root)}")\n'
        f'set(EXTENSION_SCREENSHOTURLS "{screenshots}")\n'
    )


def _replace_block(path: Path, block: str) -> str:
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest:
        raise ListError(f"{path} lacks the two lines between which lists are written: {BEGIN}{END}")
    return before + BEGIN + block + END + after


def _index_entry(root: Path) -> str:
    entry = json.loads((root / INDEX_ENTRY).read_text(encoding="utf-8"))
    return json.dumps(entry | {"scm_url": repository_url(root)}, indent=2) + "\n"


def outdated_files(root: Path = ROOT) -> list[Path]:
    """Return the files that do not hold what they should."""
    return [
        path
        for path, text in expected_contents(root).items()
        if path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Report, and with --write bring up to date, what is listed wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="bring the files up to date")
    write = parser.parse_args(arguments).write
    contents = expected_contents(root)
    outdated = outdated_files(root)
    for path in outdated:
        if write:
            path.write_text(contents[path], encoding="utf-8", newline="\n")
        sys.stdout.write(f"{'written' if write else 'out of date'}: {path.relative_to(root)}\n")
    if outdated and not write:
        sys.stdout.write(f"Bring them up to date: {COMMAND}\n")
    return 1 if outdated and not write else 0


if __name__ == "__main__":
    sys.exit(main())
