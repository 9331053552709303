"""Generation: layouts, the grammar of legal ids, cached sampling, in-filling."""
