"""Long texts in windows that overlap by half; all of a text is in some window."""

__all__ = ["WINDOW", "windows"]

WINDOW = 600  # code points judged together


def windows(text: str) -> list[str]:
    """The text, or its windows of WINDOW code points."""
    if len(text) <= WINDOW:
        return [text]
    starts = range(0, len(text) - WINDOW // 2, WINDOW // 2)
    return [text[start : start + WINDOW] for start in starts]
