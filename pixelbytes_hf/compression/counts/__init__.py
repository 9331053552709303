"""The adaptive count coder: bits, their probabilities, and the models of each medium, in whole numbers."""
