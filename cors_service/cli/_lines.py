"""Texts of others, in lines of ours."""


def in_one_line(text: str) -> str:
    """A text that can't forge a line, nor tell a terminal anything."""
    return "".join(character if character.isprintable() else " " for character in text)
