"""Room `callbacks`: training -> rows of statistics in the logs."""

__all__: list[str] = []
