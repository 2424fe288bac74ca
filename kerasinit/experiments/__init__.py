"""From a spec to trained replicas, and from their records to a comparison."""

from kerasinit.experiments._analysis import Comparison, Row, compare
from kerasinit.experiments._bootstrap import Estimate
from kerasinit.experiments._records import LOWEST_POWER, Replica

__all__ = ["LOWEST_POWER", "Comparison", "Estimate", "Replica", "Row", "compare"]
