"""The two errors that a stage expects, told apart by who can put them right."""


class InputError(Exception):
    """The user's input is wrong: the message is one line naming the file, key or value and what would be right."""


class RunError(Exception):
    """The work failed in a way that is understood: the message says what was seen and the likely causes."""
