"""What the README and the pages of `docs` show, run; what they name, looked up."""

import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
}
README = PAGES["README.md"]
BLOCKS = {
    f"{name}-{number}": block
    for name, page in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
}
COMMANDS = [
    line
    for page in PAGES.values()
    for kind, block in re.findall(r"```(bash|console)\n(.*?)```", page, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if kind == "bash" or line.startswith("$ ")
]


@pytest.mark.parametrize("name", BLOCKS)
def test_python_blocks_run(name, corpus, run_folder, tmp_path, monkeypatch):
    shutil.copytree(corpus, tmp_path / "pixelbytes-mini")
    for run_name in ("x", "mini"):
        shutil.copytree(run_folder, tmp_path / "runs" / run_name)
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[name], name, "exec"), {})


def test_blocks_that_are_not_run_need_the_hub_or_parse():
    blocks = re.findall(r"```python norun\n(.*?)```", "".join(PAGES.values()), re.DOTALL)
    assert len(blocks) <= 3
    for block in blocks:
        compile(block, "norun", "exec")
        assert "you/" in block or "evaluate.load" in block


def test_commands_parse():
    from pixelbytes_hf.cli.main import _parser

    commands = [
        re.split(r"pixelbytes |pixelbytes_hf\.cli ", line, maxsplit=1)[1]
        for line in COMMANDS
        if re.search(r"(^|/|\$ )pixelbytes |-m pixelbytes_hf\.cli ", line)
    ]
    assert len(commands) >= 15
    for command in commands:
        assert _parser().parse_args(shlex.split(command)).command == command.split()[0]


def test_scripts_of_the_pages_exist():
    scripts = set(re.findall(r"python ((?:examples|benchmarks|docs)/\w+\.py)", "".join(PAGES.values())))
    assert len(scripts) >= 4
    assert all((ROOT / name).is_file() for name in scripts)


def test_tests_that_pages_name_exist():
    pages = [*PAGES.values(), (ROOT / "RESULTS.md").read_text(encoding="utf-8")]
    pages += [path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.yaml")]
    named = set(re.findall(r"\btests/[\w/]+\.py", "".join(pages)))
    assert len(named) >= 8 and all((ROOT / name).is_file() for name in named)


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = {target for page in PAGES.values() for target in re.findall(r"(?:^|`)make ([a-z]+)", page, re.MULTILINE)}
    assert {"quickstart", "test", "bench"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_exist(name):
    folder = ROOT if (ROOT / name).is_file() else ROOT / "docs"
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", PAGES[name]) + re.findall(r'src="([^"]+)"', PAGES[name])
    assert all((folder / link).exists() for link in links if not link.startswith("http"))


@pytest.mark.parametrize("name", PAGES)
def test_anchors_lead_to_headings(name):
    for page, anchor in re.findall(r"\]\(([^)#\s]*)#([\w-]+)\)", PAGES[name]):
        headings = re.findall(r"^#+ (.+)$", PAGES[Path(page).name or name], re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_leads_to_every_page_and_example():
    named = set(re.findall(r"\]\(([^)#\s]+)", README))
    assert {name if (ROOT / name).is_file() else f"docs/{name}" for name in PAGES if name != "README.md"} <= named
    examples = [path for path in (ROOT / "examples").iterdir() if path.suffix == ".py" or path.name == "accelerate"]
    assert {f"examples/{path.name}" for path in examples} <= named


def test_pages_of_the_rooms_are_up_to_date(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    module = import_module("list_modules")
    try:
        pages = module.render()
        for name, page in pages.items():
            assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page, "run: python docs/list_modules.py"
        assert {path.name for path in (ROOT / "docs" / "modules").iterdir()} == {Path(n).name for n in pages} - {
            "modules.md"
        }
        (tmp_path / "silent.py").write_text("x = 1\n")
        with pytest.raises(ValueError, match=r"silent\.py must begin with a docstring"):
            module.describe(tmp_path / "silent.py")
    finally:
        sys.modules.pop("list_modules", None)


def test_contributing_names_every_room_and_no_file_that_is_not_there():
    page = PAGES["CONTRIBUTING.md"]
    rooms = {path.parent.name for path in (ROOT / "pixelbytes_hf").glob("*/__init__.py")}
    assert rooms == set(re.findall(r"^    (\w+)/ ", page, re.MULTILINE))
    table = page.partition("| to change | look at |")[2].partition("\n\n")[0]
    names = re.findall(r"`([\w./]+)`", table)
    assert len(names) >= 6
    assert all((ROOT / name).exists() or (ROOT / "pixelbytes_hf" / name).exists() for name in names)


def test_picture_is_drawn_from_a_run(run_folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    module = import_module("draw_overview")
    try:
        monkeypatch.setattr(sys, "argv", ["draw_overview.py", str(run_folder), "--out", str(tmp_path / "picture.png")])
        module.main()
    finally:
        sys.modules.pop("draw_overview", None)
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
