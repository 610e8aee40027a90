"""Images with the model's boxes and masks, in forms that labelling tools import.

To add a form, write a class with `add` and `close` (see `base.Form`) and enter it in
`folder.FORMS`.
"""

__all__ = ["base", "folder"]
