"""transformers' own tests over our classes; `test_transformers_mixins` runs this beside transformers' source.

A source distribution leaves out folders of tests: a mixin that came from one is an empty class here.
"""

import importlib
import sys
import tempfile
import types
import unittest

import torch
from transformers import PreTrainedTokenizerBase, set_seed

from pixelbytes_hf import ActionPixelBytesTokenizer, PixelBytesConfig, PixelBytesModel, aPxBySequenceModel

# what the mixins take from folders that the source distribution leaves out
ABSENT = {
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "utils.test_configuration_utils": {
        "config_common_kwargs": {"dtype": "float16", "output_hidden_states": True, "chunk_size_feed_forward": 5}
    },
}
for _module, _content in ABSENT.items():
    try:
        importlib.import_module(f"tests.{_module}")
    except ModuleNotFoundError:
        sys.modules[f"tests.{_module}"] = types.SimpleNamespace(**_content)

from tests.generation.test_utils import GenerationTesterMixin  # noqa: E402, of transformers
from tests.test_configuration_common import ConfigTester  # noqa: E402, of transformers
from tests.test_modeling_common import ModelTesterMixin  # noqa: E402, of transformers
from tests.test_tokenization_common import TokenizerTesterMixin  # noqa: E402, of transformers

REFUSED = "a checkpoint without one of its weights is refused, where transformers would draw them at random"
# what cannot mean anything here, and why
NOT_OF_MODELS = {
    "test_capture_outputs_decorator": "a mixer need not have attention, so no attention weights are returned",
    "test_correct_missing_keys": REFUSED,
    "test_model_weights_reload_no_missing_tied_weights": REFUSED,
}
PAIRS = "a record has one text"
CONTEXTS = "rows of input_ids are contexts of cells, of which none is a special token, a word or a part of a pair"
NOT_OF_TOKENIZERS = {
    "test_call": PAIRS,
    "test_encode_plus_with_padding_0": CONTEXTS,
    "test_encode_plus_with_padding_1": CONTEXTS,
    "test_internal_consistency": "a text ends with its mark, whatever add_special_tokens says: a stream needs it",
    "test_mask_output": CONTEXTS,
    "test_maximum_encoding_length_pair_input": PAIRS,
    "test_maximum_encoding_length_single_input": "it looks for a text whose encoding has no end mark",
    "test_number_of_added_tokens": PAIRS,
    "test_padding_to_multiple_of": "it expects a refusal without a pad token, and there is always one",
    "test_padding_with_attention_mask": "it pads ids, and rows are padded here",
    "test_prepare_seq2seq_batch": PAIRS,
    "test_pretokenized_inputs": CONTEXTS,
    "test_special_tokens_mask": CONTEXTS,
    "test_special_tokens_mask_input_pairs": CONTEXTS,
    "test_token_type_ids": CONTEXTS,
    "test_tokenize_special_tokens": "a text is bytes: the name of a mark within it is its letters",
    "test_tokenizer_initialization_with_conflicting_key": "options of the tokenizer are refused as a ValueError",
    "test_tokenizer_store_full_signature": "a context size that was not asked for is not written",
}

ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 16}
MIXERS = {
    "Lstm": {"model_type": "pixelbytes_lstm"},
    "Mamba": {"model_type": "mamba", "state_size": 4},
    "Llama": {"model_type": "llama", **ATTENTION},
    "Lfm2": {"model_type": "lfm2", "layer_types": ["conv", "full_attention"], **ATTENTION},
}


class ModelTester:
    """Makes a small configuration and inputs, as the mixins ask for them."""

    batch_size, seq_length, num_hidden_layers, hidden_size, is_training = 2, 7, 2, 24, True

    def __init__(self, mixer):
        """Keep the mixer's settings."""
        self.mixer = mixer

    def get_config(self):
        """Return a small configuration."""
        settings = {"hidden_size": self.hidden_size, "num_hidden_layers": self.num_hidden_layers, **self.mixer}
        return PixelBytesConfig(embedding_dim=self.hidden_size, mixer_config=settings)

    def prepare_config_and_inputs_for_common(self):
        """Return the configuration and what a forward pass reads."""
        config = self.get_config()
        input_ids = torch.randint(3, config.vocab_size, (self.batch_size, self.seq_length, config.context_size))
        mask = torch.ones(self.batch_size, self.seq_length, dtype=torch.int64)
        return config, {"input_ids": input_ids, "attention_mask": mask}


def without(names):
    """Return a decorator of classes that skips the tests of these names, each with its reason."""

    def skip(kind):
        for name, reason in names.items():
            setattr(kind, name, unittest.skip(reason)(getattr(kind, name)))
        return kind

    return skip


class OverModels:
    """What the tests of models of all mixers share."""

    all_model_classes = (PixelBytesModel, aPxBySequenceModel)
    has_attentions = False
    mixer = None

    def setUp(self):
        """Make the testers."""
        set_seed(0)
        self.model_tester = ModelTester(self.mixer)
        self.config_tester = ConfigTester(self, config_class=PixelBytesConfig, embedding_dim=24, dropout=0.25)

    def test_training(self):
        """Train what has a loss."""
        self.all_model_classes = (aPxBySequenceModel,)
        super().test_training()

    def check_training_gradient_checkpointing(self, gradient_checkpointing_kwargs=None):
        """Train what has a loss."""
        self.all_model_classes = (aPxBySequenceModel,)
        super().check_training_gradient_checkpointing(gradient_checkpointing_kwargs)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels)
        if return_labels and model_class is aPxBySequenceModel:
            inputs["labels"] = torch.zeros(inputs["input_ids"].shape[:2], dtype=torch.int64)
        return inputs

    def test_config(self):
        """Run transformers' tests of configurations."""
        self.config_tester.run_common_tests()


for _name, _mixer in MIXERS.items():
    _bases = (OverModels, ModelTesterMixin, GenerationTesterMixin, unittest.TestCase)
    globals()[f"{_name}Test"] = without(NOT_OF_MODELS)(type(f"{_name}Test", _bases, {"mixer": _mixer}))


@without(NOT_OF_TOKENIZERS)
class TokenizerTest(TokenizerTesterMixin, unittest.TestCase):
    """transformers' tests of tokenizers."""

    tokenizer_class = ActionPixelBytesTokenizer
    test_tokenizer_from_extractor = False

    @classmethod
    def setUpClass(cls):
        """Save a tokenizer that the tests load."""
        cls.from_pretrained_id, cls.tokenizers_list = [], []
        cls.tmpdirname = tempfile.mkdtemp()
        cls.get_tokenizer("full").save_pretrained(cls.tmpdirname)

    @classmethod
    def get_tokenizer(cls, pretrained_name=None, **kwargs) -> PreTrainedTokenizerBase:
        """Return a tokenizer whose marks are ids of their own."""
        return ActionPixelBytesTokenizer("full", **kwargs)


del _bases, ModelTesterMixin, GenerationTesterMixin, TokenizerTesterMixin
