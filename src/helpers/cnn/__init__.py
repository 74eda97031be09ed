"""The window network: a small CNN over 3x3 neighbourhoods, trained as a whole ensemble at once.

``network`` holds the layers and their predictions, ``training`` the one loop that trains them, ``nested_cv`` the choice
of settings by nested folds, ``storage`` the files. Nobody trains one network here: members of an ensemble differ in
seed, in channels, in the samples they learn from, and many of them learn in the same matrix products.
"""

from helpers.cnn.nested_cv import Chosen, Nested, choose, nested
from helpers.cnn.network import ARCHITECTURE, WINDOW, Ensemble, Member, predict
from helpers.cnn.storage import DamagedModel, load, save
from helpers.cnn.training import Fit, History, re_drawn, squared_error, train

__all__ = [
    "ARCHITECTURE",
    "WINDOW",
    "Chosen",
    "DamagedModel",
    "Ensemble",
    "Fit",
    "History",
    "Member",
    "Nested",
    "choose",
    "load",
    "nested",
    "predict",
    "re_drawn",
    "save",
    "squared_error",
    "train",
]
