"""What a card may not hold: empty fields, numbers that are none, licences nobody knows, numbers that nothing measured.

Knows the text of a card, Markdown with YAML before it, and the numbers it was made from; knows nothing of models.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# of the Hub's list of licence ids those that fit code, weights or media; `other` needs a name and a link beside it
LICENCES = frozenset(
    [
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0"),
        *("lgpl-3.0", "gpl-2.0", "gpl-3.0", "agpl-3.0", "unlicense"),
        *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
        *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0"),
        *("openrail", "ofl-1.1", "odc-by", "odbl", "pddl", "unknown", "other"),
    ]
)
MATCHED_BITS = "matched_bits"
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n(.*)\Z", re.DOTALL)
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_REFUSED = (
    (re.compile(r"\{\{|\{%|%\}|\{#|#\}"), "a piece of the template that was not filled in"),
    (re.compile(r"(?<![\w-])[-+.]?(?:nan|inf|infinity)(?![\w-])", re.IGNORECASE), "a number that is not finite"),
    (
        re.compile(r"!!\w+|\bnp\.(?:float|int|uint|bool|str)\w*\(|\b(?:array|tensor)\("),
        "a value that is no plain number",
    ),
    # a sentence may begin with the word; a value is not followed by another one
    (re.compile(r"\bNone\b(?! [a-z])"), "a value that is missing"),
    (re.compile(r"More Information Needed", re.IGNORECASE), "a placeholder"),
    (re.compile(r"\]\(\s*\)|!\[\s*\]|``(?!`)(?<!```)"), "an empty link or an empty piece of code"),
    (re.compile(r"^ *[-*]\s*(?:\*\*[^*\n]+\*\*:?)?\s*$", re.MULTILINE), "an item without content"),
)
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?(?![\w])")


def check_card(text: str) -> None:
    """Refuse a card with something missing or broken in it.

    Args:
        text: Markdown with YAML before it.

    Raises:
        ValueError: If there is no YAML, it is malformed or has empty fields, the licence is unknown, the figures are
            malformed or do not begin with matched bits where they have any; or if the text has an empty cell, item,
            section or link, a number that is not finite, a missing value or a piece of the template.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise ValueError(f"card must begin with YAML between lines of ---, got {text[:40]!r}")
    front, body = match.groups()
    for pattern, meaning in _REFUSED:
        for part in (front, body if pattern.flags & re.MULTILINE == 0 else _CODE_BLOCK.sub("", body)):
            if found := pattern.search(part):
                raise ValueError(f"card must not hold {meaning}, got {_line_of(part, found.start())!r}")
    _check_metadata(front, text)
    _check_markdown(_CODE_BLOCK.sub("code", body))


def find_untraced(text: str, facts: Mapping[str, Any], *, template: str) -> list[str]:
    """Return the numbers of a card that are neither among its facts nor in the words of its template.

    A number counts as found if it equals one of the facts to the digits that are shown, as it is or in percent.

    Args:
        text: The card.
        facts: JSON-able, what the card was made from; digits within its strings and keys count too.
        template: Source of the template.

    Example:
        >>> find_untraced("it takes 0.084 bits, 98.4%, not 0.085", {"bits": 0.08400, "share": 0.984375}, template="")
        ['0.085']
    """
    numbers: list[float] = []
    words: set[str] = set()
    for value in _walk(facts):
        if isinstance(value, str):
            is_number = _NUMBER.fullmatch(value)
            numbers += [float(value.rstrip("%").replace(",", ""))] if is_number else []
            words |= set() if is_number else {line for line in value.splitlines() if _DIGIT.search(line)}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append(float(value))
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text)
    known = set(_NUMBER.findall(re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", template, flags=re.DOTALL)))
    return [shown for shown in _NUMBER.findall(text) if shown not in known and not _is_shown(shown, numbers)]


def _is_shown(shown: str, numbers: list[float]) -> bool:
    digits = shown.rstrip("%").replace(",", "")
    scale = 100.0 if shown.endswith("%") else 1.0
    mantissa, _, exponent = digits.partition("e")
    last_place = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    tolerance = last_place * (0.5 + 1e-6)
    return any(abs(float(digits) - number * scale) <= tolerance for number in numbers)


def _walk(content: Any) -> Iterator[Any]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key)
            yield from _walk(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _walk(value)
    else:
        yield content


def _check_metadata(front: str, text: str) -> None:
    import yaml
    from huggingface_hub import ModelCard

    try:
        data = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise ValueError(f"card's YAML cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"card's YAML must be a mapping, got {type(data).__name__}")
    for place, value in _walk_places(data, ""):
        is_blank = value is None or (isinstance(value, str | list | dict) and not value)
        if is_blank or not isinstance(value, str | int | float | list | dict):
            raise ValueError(f"card's YAML must hold plain values and no empty ones, got {value!r} at {place}")
    check_licence(data.get("license"), data.get("license_name"), data.get("license_link"))
    ModelCard(text, ignore_metadata_errors=False)  # a malformed model-index raises ValueError
    for model in data.get("model-index", []):
        metrics = [metric for result in model["results"] for metric in result["metrics"]]
        for metric in metrics:
            if type(metric["value"]) not in (int, float):
                raise ValueError(f"card's figures must be numbers, got {metric['value']!r} for {metric['type']!r}")
        types = [metric["type"] for metric in metrics]
        if types[0] != MATCHED_BITS and any(name.startswith(MATCHED_BITS) for name in types):
            raise ValueError(f"card's figures must begin with {MATCHED_BITS!r}, got {types[0]!r}")


def check_licence(licence: str | None, name: str | None = None, link: str | None = None) -> None:
    """Refuse a licence that the Hub does not know, and `other` without a name and a link.

    Raises:
        ValueError: If so.
    """
    if licence not in LICENCES:
        raise ValueError(f"licence must be one of {sorted(LICENCES)}, got {licence!r}")
    if licence == "other" and not (name and link):
        raise ValueError(f"licence 'other' needs a name and a link, got {name!r} and {link!r}")


def _walk_places(content: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, content
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _walk_places(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _walk_places(value, f"{place}[{index}]")


def _check_markdown(body: str) -> None:
    lines = [line.rstrip() for line in body.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        # the corner of a table may be empty, no other cell
        if line.startswith("|") and any(not cell.strip() for cell in line.strip("|").split("|")[1:]):
            raise ValueError(f"card must not hold an empty cell, got {line!r}")
        level = len(line) - len(line.lstrip("#"))
        if level and line[level : level + 1] == " ":
            following = lines[number + 1] if number + 1 < len(lines) else "#"
            depth = len(following) - len(following.lstrip("#"))
            if 0 < depth <= level:
                raise ValueError(f"card must not hold a section without content, got {line!r}")


def _line_of(text: str, position: int) -> str:
    return text[text.rfind("\n", 0, position) + 1 :].partition("\n")[0].strip()
