"""Report of a finished comparison: `python -m experiments.report RESULTS`."""

from experiments.compare import Report
from experiments.lib import main

if __name__ == "__main__":
    main(Report)
