"""From scores to figures with intervals: the only copy.

`bits` (bits per byte from nats and bytes), `rates` and `ranking` (shares, areas under curves), `resample` (ratios of sums over
documents), `draws` (any figure of drawn items), `means` (of items, runs and clusters), `paired` (two models on the same items,
several tests at once), `power` (what a comparison can see before it is run), `student` (quantiles of Student's t).
"""
