"""Names as matplotlib shows them."""


def as_text(name: str) -> str:
    """A name that matplotlib neither reads as a formula nor, for a leading _, leaves out of legends."""
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
