"""Room `models`: built model -> the same model with chosen weights."""

__all__: list[str] = []
