"""Training with transformers' Trainer: presets, windows, optimisers, resumable runs."""
