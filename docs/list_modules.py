"""Write ``docs/modules.md`` and a page a room in ``docs/modules/``: what every module says of itself.

    python docs/list_modules.py

A room is a folder of the package; its first line, and that of each module in it, stand on its page.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("pixelbytes_hf", "dataset_builder")
INDEX = "modules.md"
INTRODUCTION = """# Rooms and modules

`|` separates floors: a room of `pixelbytes_hf` imports only itself and rooms of earlier floors, which
`tests/test_architecture.py` checks:

```text
{rule}
```

Written by `python docs/list_modules.py` from the first line of every module.
"""


def describe(path: Path) -> str:
    """Return the first line of a module's docstring, without its full stop.

    Raises:
        ValueError: If it has none.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{path} must begin with a docstring, got none")
    return text.splitlines()[0].removesuffix(".").replace("``", "`").replace("|", "\\|")


def read_rule() -> str:
    """Return the rule of imports, as the test of the layout has it."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    rules = [node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULE"]
    return str(ast.literal_eval(rules[0].value)).strip()


def find_rooms() -> dict[str, Path]:
    """Return the folders that have a page, by name: the rooms of the package, and the builder's."""
    package, builder = (ROOT / name for name in PACKAGES)
    return {path.parent.name: path.parent for path in sorted(package.glob("*/__init__.py"))} | {builder.name: builder}


def render_room(folder: Path) -> str:
    """Return the page of a room."""
    lines = [f"# `{folder.relative_to(ROOT).as_posix()}`", "", f"{describe(folder / '__init__.py')}."]
    lines += ["", "| module | what it does |", "|---|---|"]
    for path in sorted(folder.rglob("*.py")):
        if path != folder / "__init__.py":
            lines.append(f"| `{path.relative_to(folder).as_posix()}` | {describe(path)} |")
    return "\n".join(lines) + "\n"


def render() -> dict[str, str]:
    """Return every page by its name below ``docs``.

    Raises:
        ValueError: If a module or a room has no docstring.
    """
    rooms = find_rooms()
    lines = [INTRODUCTION.format(rule=read_rule()), "| room | what is in it |", "|---|---|"]
    lines += [f"| [{name}](modules/{name}.md) | {describe(path / '__init__.py')} |" for name, path in rooms.items()]
    pages = {f"modules/{name}.md": render_room(path) for name, path in rooms.items()}
    return {INDEX: "\n".join(lines) + "\n", **pages}


def main() -> None:
    """Write the pages."""
    folder = Path(__file__).parent
    (folder / "modules").mkdir(exist_ok=True)
    for name, text in render().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
