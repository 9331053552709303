"""Templates of the cards that go with a checkpoint, and the cards of the checkpoints that exist."""
