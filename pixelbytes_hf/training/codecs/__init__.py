"""Training of learned codecs: clips of one medium, their trainer, the recipe that `train` follows, presets."""
