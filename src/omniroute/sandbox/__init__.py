"""The outside world on loopback: a faithful server per rail, with books of its own and faults on demand.

It ships with the product: integrators test against it, and so do we. It knows nothing of OmniRoute.
"""
