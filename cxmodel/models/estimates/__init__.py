"""Every estimate of a lift beside the headline: second opinions, curves, groups."""
