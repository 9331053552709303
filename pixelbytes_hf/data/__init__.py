"""Tokenized corpora and the windows that models train and are scored on."""
