"""Payments by file: collected before a cut-off, committed with the bytes, handed over, answered by files.

    made --> delivering --> delivered
      ^          |   +--> doubtful (may have arrived: never delivered again by itself)
      +----------+ certainly not delivered: the same bytes once more, until the session is over
      +--> withdrawn (the session is over; its orders were provably never sent)

The attempts of a file are `sending` from the moment the file exists. Delivered makes them pending, doubt unknown;
what ends them is an answer of the bank or a line of its statement. An answer proves that its file arrived, whatever
we thought of the delivery.
"""

from omniroute.money.payments.files.answers import hear_file
from omniroute.money.payments.files.by_file import ByFile
from omniroute.money.payments.files.delivering import PURPOSE as FILE_ANSWER
from omniroute.money.payments.files.folders import FOLDER, Folders
from omniroute.money.payments.files.reading import (
    FILES,
    RailFileState,
    RailFileView,
    file_content,
    find_file,
    list_files,
)
from omniroute.money.payments.files.sender import FileSender

__all__ = [
    "FILES",
    "FILE_ANSWER",
    "FOLDER",
    "ByFile",
    "FileSender",
    "Folders",
    "RailFileState",
    "RailFileView",
    "file_content",
    "find_file",
    "hear_file",
    "list_files",
]
