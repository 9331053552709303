"""The canvas: prompts, and the sequences that grow from them.

Knows tokens, context rows and grammars, in buffers made once; knows nothing about models or distributions.

Shapes: B sequences, L prompt rows, n new tokens, N cells, V vocabulary, C predicted cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .grammar import FreeGrammar, LayoutGrammar
from .grid import CONTEXT_SIZE, NEW_TOKEN_CELL

ContextSource = Literal["exact", "model"]
Grammar = FreeGrammar | LayoutGrammar


@dataclass(frozen=True)
class Prompt:
    """A batch of prompts, padding on the left.

    Args:
        rows: Context rows to read, (B, L, N).
        labels: Tokens at those rows, (B, L); None if they are not known beside the rows.
        mask: (B, L), zero at padding.
    """

    rows: Tensor
    labels: Tensor | None
    mask: Tensor

    @classmethod
    def of(cls, input_ids: Tensor | None, labels: Tensor | None, mask: Tensor | None, config: Any) -> "Prompt":
        """Return checked inputs, their padding moved to the left; without inputs one empty row, as records begin.

        Raises:
            TypeError: If inputs are not tensors, or ids not integers.
            ValueError: If shapes do not fit, an id is outside the vocabulary, or a prompt is nothing but padding.
        """
        for name, value in (("input_ids", input_ids), ("labels", labels), ("attention_mask", mask)):
            if value is not None and not isinstance(value, Tensor):
                kind = type(value).__name__
                raise TypeError(f"{name} must be a tensor, got {kind}: call the tokenizer with return_tensors='pt'")
        if input_ids is None:
            input_ids = torch.full((1, 1, CONTEXT_SIZE), config.pad_token_id)
        if input_ids.ndim != 3 or input_ids.shape[-1] != CONTEXT_SIZE or 0 in input_ids.shape:
            raise ValueError(f"input_ids must have shape (B, L, {CONTEXT_SIZE}), got {tuple(input_ids.shape)}")
        mask = torch.ones(input_ids.shape[:2], dtype=torch.int64) if mask is None else mask
        for name, tensor in (("labels", labels), ("attention_mask", mask)):
            if tensor is not None and tensor.shape != input_ids.shape[:2]:
                expected = tuple(input_ids.shape[:2])
                raise ValueError(f"{name} must have shape (B, L) = {expected}, got {tuple(tensor.shape)}")
        mask = (mask != 0).to(input_ids.device, torch.int64)
        if not mask.any(dim=1).all():
            raise ValueError("attention_mask must leave every prompt a row: got a prompt that is all padding")
        is_real = mask != 0
        _check_ids("input_ids", input_ids[is_real], config.vocab_size)
        order = mask.argsort(dim=1, stable=True)
        rows = input_ids.masked_fill(~is_real[..., None], config.pad_token_id).to(torch.int64)
        rows = rows.gather(1, order[..., None].expand_as(rows))
        if labels is not None:
            _check_ids("labels", labels[is_real], config.vocab_size)
            labels = labels.masked_fill(~is_real, config.pad_token_id).to(torch.int64).gather(1, order)
        return cls(rows, labels, mask.gather(1, order))

    def tokens(self, config: Any) -> Tensor:
        """Return the known stream, (B, L): the labels, or the token before each row, padding before the first.

        Without labels, an empty row tells only that a segment opens there: the token before it is taken to be the last
        one's end mark.
        """
        if self.labels is not None:
            return self.labels
        opens_segment = (self.rows == config.pad_token_id).all(dim=-1)
        tokens = self.rows[..., NEW_TOKEN_CELL].masked_fill(opens_segment, config.segment_end_id)
        has_token_before = torch.zeros_like(self.mask)
        has_token_before[:, 1:] = self.mask[:, :-1]
        return tokens.masked_fill(has_token_before == 0, config.pad_token_id)

    def known_ids(self, config: Any) -> list[list[int]]:
        """Return the stream of every prompt without its padding."""
        skipped = (self.mask == 0).sum(dim=1) + (self.labels is None)
        return [ids[count:] for ids, count in zip(self.tokens(config).tolist(), skipped.tolist(), strict=True)]


class Canvas:
    """The sequences while they grow: tokens, context rows and grammars, in buffers made once.

    Args:
        prompt: What is there already.
        grammars: One for each sequence, at the position after its prompt.
        context: Where the context of a new token comes from: the tokens before it, or the model.
        budget: Most tokens to come, n.
        config: The model's.

    Raises:
        ValueError: If a layout cannot end within the budget, or the last row is not its first context.
    """

    def __init__(
        self, prompt: Prompt, grammars: Sequence[Grammar], *, context: ContextSource, budget: int, config: Any
    ) -> None:
        """Copy the prompt and add the row of the first token to generate."""
        num_sequences, length = prompt.rows.shape[:2]
        self._context, self._pad_id, self.grammars = context, config.pad_token_id, grammars
        self._check_budget(budget)
        self.num_tokens, self.num_rows = length, length
        self._tokens = prompt.rows.new_full((num_sequences, length + budget), self._pad_id)
        self._tokens[:, :length] = prompt.tokens(config)
        # cells before positions, so that the history of every cell is a view
        self._rows = prompt.rows.new_full((num_sequences, CONTEXT_SIZE, length + budget + 1), self._pad_id)
        self._rows[:, :, :length] = prompt.rows.transpose(1, 2)
        self._mask = None
        if not prompt.mask.all():
            self._mask = prompt.mask.new_ones(num_sequences, length + budget + 1)
            self._mask[:, :length] = prompt.mask
        self.budget, self.finished = budget, [False] * num_sequences
        self._illegal: Tensor | None = None
        self._legal: list[Tensor | None] = [None] * num_sequences
        if prompt.labels is not None:
            self._add_rows([grammar.context() for grammar in grammars])
        elif context == "exact":
            self._check_last_rows(prompt.rows[:, -1].tolist())

    def _check_budget(self, budget: int) -> None:
        fewest = max((grammar.fewest for grammar in self.grammars if isinstance(grammar, LayoutGrammar)), default=1)
        if budget < fewest:
            raise ValueError(f"max_new_tokens must be at least {fewest}, which the layout needs to end, got {budget}")

    def _check_last_rows(self, rows: list[list[int]]) -> None:
        for number, (row, grammar) in enumerate(zip(rows, self.grammars, strict=True)):
            if isinstance(grammar, LayoutGrammar) and row != grammar.context():
                raise ValueError(
                    "without labels the last row of input_ids must be the context of the first token generated: under "
                    f"this layout {grammar.context()}, got {row} in prompt {number}; pass labels, the prompt's tokens"
                )

    @property
    def tokens(self) -> Tensor:
        """The stream so far, (B, L + n)."""
        return self._tokens[:, : self.num_tokens]

    @property
    def rows(self) -> Tensor:
        """The context rows so far, (B, number of rows, N)."""
        return self._rows[:, :, : self.num_rows].transpose(1, 2)

    @property
    def mask(self) -> Tensor | None:
        """Zero where a row is padding, (B, number of rows); None if none is."""
        return None if self._mask is None else self._mask[:, : self.num_rows]

    @property
    def last_row(self) -> Tensor:
        """The row of the next token, (B, N)."""
        return self._rows[:, :, self.num_rows - 1]

    def history(self, num_cells: int) -> Tensor:
        """Return what logits processors see, (B * C, length): the stream, or every cell's own."""
        if num_cells == 1:
            return self.tokens
        return self._rows.view(-1, self._rows.shape[-1])[:, : self.num_rows]

    def illegal(self, num_ids: int) -> Tensor | None:
        """Return the mask (B, V) of ids that must not come next, or None; only rows that changed are written."""
        for number, grammar in enumerate(self.grammars):
            legal = None if self.finished[number] else grammar.legal(self.budget)
            if legal is not None and legal is not self._legal[number]:
                if self._illegal is None:
                    self._illegal = torch.zeros(len(self.finished), num_ids, dtype=torch.bool, device=legal.device)
                torch.logical_not(legal, out=self._illegal[number])
                self._legal[number] = legal
        return self._illegal

    def append(self, cells: Tensor) -> Tensor:
        """Read the ids drawn and make the next rows.

        Args:
            cells: (B, C); the last column is the new token.

        Returns:
            The new tokens, (B,): padding for sequences that had finished.
        """
        tokens = self._tokens[:, self.num_tokens]
        tokens.copy_(cells[:, -1])
        for number, (token_id, grammar) in enumerate(zip(tokens.tolist(), self.grammars, strict=True)):
            if self.finished[number]:
                tokens[number] = self._pad_id
            else:
                grammar.push(token_id)
                self.finished[number] = grammar.finished
        self.num_tokens, self.budget = self.num_tokens + 1, self.budget - 1
        self._add_rows(self._next_rows(cells))
        return tokens

    def _next_rows(self, cells: Tensor) -> list[list[int]]:
        drawn = cells.tolist() if self._context == "model" else None
        return [
            [self._pad_id] * CONTEXT_SIZE
            if done
            # a model's row cannot tell that a segment opens, so the layout does
            else grammar.context()
            if drawn is None or (isinstance(grammar, LayoutGrammar) and grammar.opens_segment)
            else drawn[number]
            for number, (done, grammar) in enumerate(zip(self.finished, self.grammars, strict=True))
        ]

    def _add_rows(self, rows: list[list[int]]) -> None:
        self._rows[:, :, self.num_rows] = torch.tensor(rows, device=self._rows.device)
        self.num_rows += 1


def _check_ids(name: str, ids: Tensor, num_ids: int) -> None:
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got {ids.dtype}")
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= num_ids:
        raise ValueError(f"{name} must be in 0..{num_ids - 1}, got {low}..{high}")
