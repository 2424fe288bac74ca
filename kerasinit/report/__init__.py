"""Room `report`: comparison -> one HTML file."""

__all__: list[str] = []
