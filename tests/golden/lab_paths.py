"""The folder of the practice kernel's images, under one name wherever this tree lies."""

import os
import pathlib


def with_plain_lab_paths(text):
    """What poolkd printed, with its image folders (src/app/lab_images.cpp) as /poolkd/lab: a path can have blanks, and no
    pattern tells where such a one begins."""
    program = pathlib.Path(os.environ["POOLKD"]).resolve().parent
    roots = [os.environ.get("POOLKD_LAB_IMAGES"), str(program.parent / "lab"), str(program.parent / "share/poolkd/lab")]
    for root in filter(None, roots):
        text = text.replace(root.rstrip("/") + "/", "/poolkd/lab/")
    return text
