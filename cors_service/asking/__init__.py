"""What everybody who asks for decisions does with them: keeps them, does without one, puts them on an answer. Pure."""
