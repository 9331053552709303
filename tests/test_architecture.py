"""The rules of the layout: rooms import one way, and what travels with a checkpoint imports little."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

from pixelbytes_hf.codecs.codec_code import codec_homes
from pixelbytes_hf.models.pixelbytes.family_code import family_homes
from pixelbytes_hf.pretrained.exported_code import find_modules

PACKAGE = Path(__file__).parents[1] / "pixelbytes_hf"
# a room imports from itself and from rooms left of the bar before it
RULE = """
pretrained, media | tokens | codecs, mixers, objectives, hub, control | generation | models | data | runs
| training, evaluation | compare, publishing, demo, compression | cli
"""
FLOOR_OF_ROOM = {room.strip(): floor for floor, rooms in enumerate(RULE.split("|")) for room in rooms.split(",")}
ALLOWED_TO_TRAVEL = {"torch", "numpy", "PIL", "transformers", "huggingface_hub"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" and path.parent != PACKAGE)
TRAVELLING = sorted(find_modules([*family_homes(), *codec_homes()]).values())
MOST_MODULES = 16
MOST_LINES = 400


def room_of(path):
    return path.relative_to(PACKAGE).parts[0]


def name_of(path):
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def imported_files(path):
    """Return the files of the package that a module imports; all of its imports of the package are relative."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.module and all(alias.name != "*" for alias in node.names), f"{path}: import names from modules"
            found.append(path.parents[node.level - 1].joinpath(*node.module.split(".")).with_suffix(".py"))
    return found


def outside_imports(path):
    """Return the packages beside Python's own that a module imports when it is imported itself."""
    outside = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add(node.module.split(".")[0])
    return outside - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_import_from_rooms_left_of_theirs(path):
    for file in imported_files(path):
        assert file.is_file(), f"{path.name} imports {file}, which is no module"
        if file.parent == PACKAGE or room_of(file) == room_of(path):
            family, other = path.parts[len(PACKAGE.parts) :][:2], file.parts[len(PACKAGE.parts) :][:2]
            assert room_of(path) != "models" or family == other, f"{name_of(path)} imports another family: {file.name}"
            continue
        assert FLOOR_OF_ROOM[room_of(file)] < FLOOR_OF_ROOM[room_of(path)], f"{name_of(path)} imports {name_of(file)}"


@pytest.mark.parametrize("path", TRAVELLING, ids=name_of)
def test_what_travels_imports_little(path):
    assert outside_imports(path) <= ALLOWED_TO_TRAVEL


def test_every_room_has_its_place():
    assert {room_of(path) for path in MODULES} == FLOOR_OF_ROOM.keys()


def test_rooms_stay_small():
    assert max(Counter(path.parent for path in MODULES).values()) <= MOST_MODULES
    long = [name_of(path) for path in MODULES if len(path.read_text().splitlines()) > MOST_LINES]
    assert long == [], "a module of more lines wants a reason, and its name here"


def test_palette_of_the_console_stands_in_one_place():
    needles = ("A4E4FC", "0xA4, 0xE4, 0xFC", "164, 228, 252")
    sources = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "dataset_builder").glob("*.py")]
    holders = [path.name for path in sources if any(needle in path.read_text() for needle in needles)]
    assert holders == ["vocabulary.py"]
