"""The PixelBytes family: configuration, model, tokenizers, processor, and checkpoints of earlier formats."""
