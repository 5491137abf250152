"""What every asker does with decisions: cache them, do without one, put them on an answer. Without Twisted."""
