"""From scores to figures with intervals: the only copy.

`bits` (bits per byte from nats and bytes), `resample` (intervals by resampling documents, alone and in pairs).
"""
