"""Model families, a folder each: configuration, model, tokenizer, processor."""
