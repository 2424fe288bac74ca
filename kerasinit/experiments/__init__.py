"""From a spec to trained replicas, and from their records to a comparison."""

from kerasinit.experiments._analysis import Comparison, Row, compare
from kerasinit.experiments._bootstrap import Estimate
from kerasinit.experiments._records import Replica

__all__ = ["Comparison", "Estimate", "Replica", "Row", "compare"]
