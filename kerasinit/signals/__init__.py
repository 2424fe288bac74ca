"""Room `signals`: tensors -> statistics -> verdicts."""

__all__: list[str] = []
