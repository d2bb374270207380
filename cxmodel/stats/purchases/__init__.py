"""Models of repeated purchases: their likelihoods and expectations, on arrays, a file a family."""
