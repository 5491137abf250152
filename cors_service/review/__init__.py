"""Reviews of changes: two sets of policies from wherever they are, and what a reviewer sees of their differences.

`sources` finds out where a set is: in files, in a `revisions` of git, or in a running `services`. What `algebra` finds
between two of them is written for people by `text`, for a pull request by `markdown`, for programs by `written`.
"""
