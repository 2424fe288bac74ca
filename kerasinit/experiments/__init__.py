"""Room `experiments`: spec -> trained replicas -> comparison."""

__all__: list[str] = []
