"""A made-up but lifelike event file, for demonstrations and measurements.

    people    who arrives, when, and with which habits
    activity  their sessions, and the events of a session
    flaws     the rows that come twice, late or broken
    rows      events as CSV bytes
    writer    all of it into one file

The same (events, seed) give the same bytes on any machine; see `chance` for how.
"""

from pipeline.sample.writer import SampleReport, write_sample

__all__ = ["SampleReport", "write_sample"]
