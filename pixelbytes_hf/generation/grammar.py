"""Grammars of a record: what is legal at its next position, and what that position can see.

`LayoutGrammar` chains the grammars of a layout's segments and never leaves a position without a legal id from which
the record can still be finished in time. `FreeGrammar` reads a stream that no layout binds.

Shapes: V vocabulary, N context cells, C channels.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from ..tokens.contexts import CONTEXT_RULES, ContextRule
from ..tokens.grid import check_ids, open_segment
from ..tokens.modalities import TRAITS, Kind, Modality, slot_name
from ..tokens.parsing import parse
from ..tokens.six_cells import CONTEXT_SIZE, GridCursor
from ..tokens.vocabulary import Vocabulary
from .layout import SEGMENT_LAYOUTS, UNBOUNDED, Layout, SegmentLayout
from .segment_grammar import Choice, LegalIds, SegmentGrammar, missing_ids, segment_grammar

SIX_CELLS = CONTEXT_RULES[CONTEXT_SIZE]
_ENDED_BY_FRAME = {traits.kind for traits in TRAITS.values() if traits.marks == "frame"}
PAPER_NUM_CHANNELS = 2  # the paper's sound, which a free-running reader expects until the prompt says otherwise


class LayoutGrammar:
    """The grammar of a layout, at the position after a prompt.

    Args:
        layout: What to generate.
        legal_ids: Masks over the vocabulary.
        prompt: Ids before the first one generated. Only a layout that continues looks at them: it reads the last run
            of its first segment's modality, or none if the prompt ends in another. A rule that crosses segments too.
        rule: Which cells a position can see.

    Raises:
        ValueError: If the layout does not fit the vocabulary, the run is not what it allows, or nothing is left.

    Example:
        >>> grammar = LayoutGrammar(Layout((Image(height=1, width=2),)), LegalIds(Vocabulary.from_preset("paper")))
        >>> for token_id in (58, 59): grammar.push(token_id)
        >>> grammar.legal(budget=1).nonzero().tolist(), grammar.context()
        ([[2]], [0, 0, 0, 0, 0, 59])
    """

    def __init__(
        self, layout: Layout, legal_ids: LegalIds, prompt: Sequence[int] = (), *, rule: ContextRule = SIX_CELLS
    ) -> None:
        """Read the run that is continued, if any."""
        self._rule, self._legal_ids, self._pad_id = rule, legal_ids, legal_ids.vocabulary.pad_id
        self._previous = _cursor_before(prompt, layout, legal_ids) if rule.crosses_segments else None
        _check_fits(layout, legal_ids.vocabulary)
        self._waiting = [segment_grammar(segment, self._pad_id) for segment in reversed(layout.segments)]
        self._segment: SegmentGrammar | None = None
        self._open_next()
        if layout.segments[0].continues:
            self._replay(prompt, layout.segments[0])

    def _replay(self, prompt: Sequence[int], layout: SegmentLayout) -> None:
        start = last_run(prompt, layout.modality, self._legal_ids)
        for position in range(start, len(prompt)):
            try:
                self.push(int(prompt[position]))
            except ValueError as error:
                raise ValueError(
                    f"the prompt cannot be continued as {layout}: at its position {position}, {error}"
                ) from error
        if self.finished:
            raise ValueError(f"nothing is left to generate: the prompt ends with the whole of {layout}")

    def _open_next(self) -> None:
        if self._segment is not None:
            self._previous = self._segment.cursor
        self._segment = self._waiting.pop() if self._waiting else None
        # kept, as it does not change while the segment is open
        self._fewest_waiting = sum(segment.fewest() for segment in self._waiting)

    @property
    def finished(self) -> bool:
        """Whether the layout's last segment has ended."""
        return self._segment is None

    @property
    def opens_segment(self) -> bool:
        """Whether the next id is a segment's first."""
        return self._segment is not None and not self._segment.cursor.ids

    @property
    def fewest(self) -> int:
        """Fewest ids that must still come."""
        return 0 if self._segment is None else self._segment.fewest() + self._fewest_waiting

    @property
    def most(self) -> int:
        """Most ids that may still come."""
        return sum(segment.most() for segment in (*self._waiting, self._segment) if segment is not None)

    def legal(self, budget: int = UNBOUNDED) -> Tensor:
        """Return the mask of the ids after which the layout can be finished.

        Args:
            budget: How many ids may still come, at least `fewest`.

        Returns:
            (V,) bool, the same tensor for the same set of ids; all False once finished.
        """
        choices = self._segment.choices() if self._segment is not None else ()
        if len(choices) > 1:
            # an only choice is legal whatever the budget: `fewest` counts it
            room = budget - 1 - self._fewest_waiting
            choices = [choice for choice in choices if choice.fewest_after <= room]
        return self._legal_ids.mask(tuple(choice.target for choice in choices))

    def context(self) -> list[int]:
        """Return the N cells that the next position can see."""
        current = None if self._segment is None else self._segment.cursor
        return self._rule.read(current, self._previous, pad_id=self._pad_id)

    def push(self, token_id: int) -> None:
        """Read one id.

        Raises:
            ValueError: If it is not legal.
        """
        segment, name = self._segment, self._legal_ids.slots[token_id]
        if segment is None or not _is_among(token_id, name, segment.choices()):
            raise ValueError(self._describe(token_id))
        segment.push(token_id, name)
        if segment.closed:
            self._open_next()

    def _describe(self, token_id: int) -> str:
        token = self._legal_ids.vocabulary.tokens[token_id]
        if self._segment is None:
            return f"id {token_id} ({token}) comes after the layout's end"
        expected = [choice.target for choice in self._segment.choices()]
        return f"id {token_id} ({token}) is not legal: expected {' or '.join(map(str, expected))}"


class FreeGrammar:
    """Reads a stream that no layout binds: every id is legal, and the context follows what the ids say.

    The rule, which agrees with `parse` on well-formed streams: a segment opens with its first id, a pixel opens an
    image, a level a sound, a code a segment of codes, anything else a text. A separator ends a text or sound; an image
    goes on with frames of one size. An id that cannot continue the open segment opens another. So the context is exact
    at every position but one kind: just after a frame's end it is that of a further frame, and if another segment
    opens there, its first context was that of the frame that did not come.

    Args:
        legal_ids: Masks over the vocabulary.
        prompt: Ids to read first.
        columns: Columns of sounds, and of sounds of codes; of those not named as many as the prompt's last whole one
            has. Without one a sound has 2 (paper), a sound of codes all levels.
        rule: Which cells a position can see.

    Attributes:
        segment: The open segment's grammar, or the last one's if it has ended.
    """

    finished, opens_segment, fewest = False, False, 1  # as no layout ends it, or says what opens

    def __init__(
        self,
        legal_ids: LegalIds,
        prompt: Sequence[int] = (),
        *,
        columns: Mapping[Modality, int] | None = None,
        rule: ContextRule = SIX_CELLS,
    ) -> None:
        """Read the prompt."""
        self._rule, self._legal_ids, self._pad_id = rule, legal_ids, legal_ids.vocabulary.pad_id
        self._opened = _layouts_by_kind(_columns_of(prompt, legal_ids.vocabulary) | dict(columns or {}))
        self.segment: SegmentGrammar | None = None
        for token_id in prompt:
            self.push(int(token_id))

    def legal(self, budget: int = UNBOUNDED) -> None:
        """Return None: all ids are legal."""

    def context(self) -> list[int]:
        """Return the N cells that the next position can see."""
        newest = None if self.segment is None else self.segment.cursor
        current = None if self.segment is None or self.segment.closed else newest
        return self._rule.read(current, newest, pad_id=self._pad_id)

    def push(self, token_id: int) -> None:
        """Read one id, which opens a segment if it cannot continue the last one."""
        name = self._legal_ids.slots[token_id]
        if self.segment is None or self.segment.closed or not _is_among(token_id, name, self._choices(self.segment)):
            opened = self._opened.get(self._legal_ids.kinds[token_id], self._opened["text"])
            self.segment = segment_grammar(opened, self._pad_id)
        # an id that no segment can begin with is one by itself, so that the next id opens another
        opens_nothing = not _is_among(token_id, name, self._choices(self.segment))
        self.segment.push(token_id, name)
        self.segment.closed |= opens_nothing

    def _choices(self, segment: SegmentGrammar) -> Sequence[Choice]:
        if not TRAITS[segment.modality].is_default or self._legal_ids.vocabulary.specials:
            return segment.choices()
        # layout ids are text bytes too: `parse` reads them as text
        return (*segment.choices(), Choice("row_end", 0), Choice("special", 0))


def last_run(prompt: Sequence[int], modality: Modality, legal_ids: LegalIds) -> int:
    """Return where the prompt's last run of a modality begins; its length if it ends in another.

    The run is the ids of that modality, and separators between them, at the prompt's end. A separator that ends a
    segment inside it begins another text or sound; in images it ends a frame. One that ends nothing is a text of no
    letters.

    Example:
        >>> last_run([32, 2, 60, 61, 1, 60], "image", LegalIds(Vocabulary.from_preset("paper")))
        2
    """
    traits = TRAITS[modality]
    if traits.is_default and {legal_ids.kinds[index] for index in prompt[-2:]} == {"segment_end"}:
        return len(prompt) - 1
    own: set[Kind] = {traits.kind}
    if traits.is_default and not legal_ids.vocabulary.specials:
        own |= {"row_end", "special"}
    start, last = len(prompt), len(prompt) - 1
    for position in range(last, -1, -1):
        kind = legal_ids.kinds[prompt[position]]
        if kind in own:
            start = position
        elif kind != "row_end" and (kind != "segment_end" or (not traits.has_frames and position < last)):
            # separators just after a level are the sound's, though text has bytes of that kind
            while kind in _ENDED_BY_FRAME and start <= last and legal_ids.kinds[prompt[start]].endswith("_end"):
                start += 1
            break
    return start


def _cursor_before(prompt: Sequence[int], layout: Layout, legal_ids: LegalIds) -> GridCursor | None:
    """Return the cursor of the prompt's last segment, the run that the layout continues left out."""
    first = layout.segments[0]
    stop = last_run(prompt, first.modality, legal_ids) if first.continues else len(prompt)
    segment = FreeGrammar(legal_ids, prompt[:stop]).segment
    return None if segment is None else segment.cursor


def _is_among(token_id: int, name: str, choices: Iterable[Choice]) -> bool:
    return any(target in (name, token_id) for target, _ in choices)


def _check_fits(layout: Layout, vocabulary: Vocabulary) -> None:
    texts = [TRAITS[segment.modality].is_default for segment in layout.segments]
    if not vocabulary.specials and any(a and b for a, b in pairwise(texts)):
        raise ValueError("two adjacent texts read as one in a vocabulary whose layout ids are text bytes (paper)")
    for segment in layout.segments:
        if missing := missing_ids(segment, vocabulary):
            raise ValueError(f"layout must have ids in the vocabulary, which has none of {missing}, got {segment}")
        for channel, ids in segment.given_columns.items():
            slot = TRAITS[segment.modality].slots(channel + 1)[-1]
            legal = vocabulary.ids_of_slot[slot]
            if outside := sorted({*ids} - {*legal}):
                expected = f"{slot_name(slot)} ids, in {legal.start}..{legal.stop - 1}"
                raise ValueError(f"given channels must hold {expected}, got {outside[:5]}")


def _columns_of(prompt: Sequence[int], vocabulary: Vocabulary) -> dict[Modality, int]:
    """Return how many columns the last whole segment of each modality has, or what they have without one."""
    ids = check_ids(prompt, vocabulary)  # type: ignore[arg-type]
    ends = (ids == vocabulary.segment_end_id).nonzero()[0]
    whole = parse(ids[: int(ends[-1]) + 1], vocabulary).segments if ends.size else []
    usual: dict[Modality, int] = {
        modality: (len(vocabulary.codes.audio) or 1) if traits.has_levels else PAPER_NUM_CHANNELS
        for modality, traits in TRAITS.items()
    }
    return usual | {segment.modality: open_segment(segment).shape[2] for segment in whole}


def _layouts_by_kind(columns: Mapping[Modality, int]) -> dict[Kind, SegmentLayout]:
    """Return the layout of a segment of any extent by the kind of the id that opens it."""
    return {
        TRAITS[modality].kind: layout.of_any_extent(columns[modality]) for modality, layout in SEGMENT_LAYOUTS.items()
    }
