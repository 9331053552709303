"""Sequence mixers between the embedding and the head: an LSTM, the first approach's, and transformers' backbones."""
