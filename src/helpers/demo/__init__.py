"""The Demo Earth: a made planet on the real land mask, whose truth is known, seen through made product files.

`earth.build` writes it. `planet` makes what is true, from `climate` and `carbon`; `files` and `towers` write what is
seen, in the products' native formats. `worlds` are small planets in which the lag is
known, and `lag_power` counts which tests find it.
"""
