"""What the lines of the roll-up log say about traffic and policies, for people and for programs.

`lines` reads a line, `sums` adds lines up in bounded memory, `findings` says what follows for policies: the most
refused origins, what is never used, which origins a wildcard served, what preflights cost. `text`, `written` and
`plots` show it.

Pure: nothing here imports Twisted, reads a clock, opens a file or logs.
"""
