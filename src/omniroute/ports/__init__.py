"""What we ask of the outside world: Protocols and plain dataclasses; connectors fulfil them, modules use them."""
