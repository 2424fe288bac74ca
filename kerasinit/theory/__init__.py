"""Room `theory`: activation, depth, width -> predicted signal, in plain numbers."""

__all__: list[str] = []
