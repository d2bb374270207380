"""The known-truth study: companies whose truth is known, fitted again and again."""
