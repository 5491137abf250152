"""Real servers with defects that were planted, for `cors-service doctor`.

Each has the path `/NAME/x` for each of its plants, where NAME is that of the defect, and answers everything else below
`/NAME/` with 404.
"""
