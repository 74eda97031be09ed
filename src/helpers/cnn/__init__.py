"""The window network: a small CNN over 3x3 neighbourhoods, trained as a whole ensemble at once.

``network`` holds the layers, ``training`` the loop, ``storage`` the files. Nobody trains one network here: members of
an ensemble differ in seed and in channels, and all of them learn in the same matrix products.
"""

from helpers.cnn.network import ARCHITECTURE, WINDOW, Ensemble, Member
from helpers.cnn.storage import DamagedModel, load, save
from helpers.cnn.training import History, predict, train

__all__ = [
    "ARCHITECTURE",
    "WINDOW",
    "DamagedModel",
    "Ensemble",
    "History",
    "Member",
    "load",
    "predict",
    "save",
    "train",
]
