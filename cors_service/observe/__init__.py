"""What is decided, counted: the counts of every process, and what is derived from them.

A process counts in a `Table`, which lies in memory that it shares with the process that supervises: a count is one
addition in place, and survives whatever ends the process that counts. `Totals` sums up the tables of all processes, of
ended ones, too. Metrics and the roll-up log are written from these sums, so they can't contradict each other.
"""
