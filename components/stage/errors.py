"""The two errors that a stage expects: one that the user can put right, and one of the work itself."""


class InputError(Exception):
    """Says that the user's input is wrong, in one line that names the file, key or value and what would be right."""


class RunError(Exception):
    """Says that the work failed in a way that is understood: what was seen, and the likely causes."""
