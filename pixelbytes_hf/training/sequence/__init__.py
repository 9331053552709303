"""Training of sequence models: windows, validation, initialisation, and the recipe that `train` follows."""
