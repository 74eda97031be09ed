"""The window network: a small CNN over 3x3 neighbourhoods, trained as a whole ensemble at once.

``network`` holds the layers and their predictions, ``training`` the one loop that trains them, ``cross_validation``
tests on samples that were not trained on, ``nested_cv`` the choice of settings by nested folds, ``storage`` the files,
``baselines`` what to hold a network against, and ``guests`` models and predictions from outside. Nobody trains one
network here: members of an ensemble differ in seed, in channels, in the samples they learn from, and many of them learn
in the same matrix products.
"""
