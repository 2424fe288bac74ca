"""Room `initializers`: name, config or layer -> tensor."""

__all__: list[str] = []
