"""Training objectives: what is predicted, how the loss is formed, how the input is corrupted, how one decodes."""
