"""Media as grids of ids: the vocabulary, codecs of text, pixels and amplitude levels, contexts of six cells."""
