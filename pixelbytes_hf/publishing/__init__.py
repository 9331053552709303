"""Publishing a run: export with code, model card, samples."""
