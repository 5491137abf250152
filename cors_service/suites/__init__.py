"""Suites of tests for policies: what a page must see, judged by a browser.

A suite is a document `*.test.toml` beside the documents of policies. `reading` makes `cases` of it, with all its
mistakes at once; `exchange` lets a page ask, the policies decide and a browser judge; `running` compares that with what
the case expects; `report` and `junit` tell people and machines.

Pure: values in, values out.
"""
