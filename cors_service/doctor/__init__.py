"""Asks a live site what a browser would ask, and says what is wrong with its CORS headers.

Pure functions of recorded exchanges come first: `target` reads what is asked about, `visit` plans the requests, and
`judging` finds what is wrong, with `sharing_caches` and `layers`, and with `mending` for what to do about it. Then
`connection` sends a request, `asking` makes a visit, `comparing` asks a decision service what it would have said.
`text` and `written` report.

The requests are sent by hand: a client would join or reorder repeated header lines, which are what this is about, and
follow redirects.
"""
