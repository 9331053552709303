"""The numbers of a card, traced to what it was rendered from."""

import re
from collections.abc import Mapping

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?(?![\w])")


def find_untraced(text, facts, *, template):
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
    numbers, words = [], set()
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


def _is_shown(shown, numbers):
    digits = shown.rstrip("%").replace(",", "")
    scale = 100.0 if shown.endswith("%") else 1.0
    mantissa, _, exponent = digits.partition("e")
    last_place = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    tolerance = last_place * (0.5 + 1e-6)
    return any(abs(float(digits) - number * scale) <= tolerance for number in numbers)


def _walk(content):
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key)
            yield from _walk(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _walk(value)
    else:
        yield content
