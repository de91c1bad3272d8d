"""OmniRoute: moves money for distribution networks, on books that cannot be wrong."""

__version__ = "0.1.0"
