"""The window network: a small CNN over 3x3 neighbourhoods, trained as a whole ensemble at once.

``network`` holds the layers, ``training`` the published protocol, ``frozen`` training on splits that stay,
``nested_cv`` the choice of settings by nested folds, ``nulls`` permutations of drought, ``storage`` the files. Nobody
trains one network here: members of an ensemble differ in seed, in channels, in the samples they learn from, and all of
them learn in the same matrix products.
"""

from helpers.cnn.frozen import Fit, Permutation, train_frozen
from helpers.cnn.nested_cv import Chosen, Nested, Setting, as_one, choose, nested
from helpers.cnn.network import ARCHITECTURE, WINDOW, Ensemble, Member
from helpers.cnn.nulls import among_sites, within
from helpers.cnn.storage import DamagedModel, load, save
from helpers.cnn.training import History, predict, train

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
    "Permutation",
    "Setting",
    "among_sites",
    "as_one",
    "choose",
    "load",
    "nested",
    "predict",
    "save",
    "train",
    "train_frozen",
    "within",
]
