"""Small NetCDF files for tests: monthly or yearly fields with a calendar, units and names of one's choice."""

import cftime
import netCDF4
import numpy as np

from helpers.workspace import LIBRARY

FILL = np.float32(9.96921e36)
LAT, LON = np.array([-45.0, 45.0]), np.array([-135.0, -45.0, 45.0, 135.0])


def months(first, last):
    return [(year, month) for year in range(first, last + 1) for month in range(1, 13)]


def write(
    path,
    name,
    values,
    when,
    *,
    lat=LAT,
    lon=LON,
    axes=("lat", "lon"),
    units="",
    fill=FILL,
    since="days since 1900-1-1",
    calendar="gregorian",
    attributes=None,
    clock="time",
    ends=False,
    packing=None,
):
    """Write (time, lat, lon), one time a (year, month): its 15th, or counted in months where ``since`` counts those.

    ``clock`` names the time axis; with ``ends`` each month is stamped by its end and has bounds; ``packing`` is scale
    and offset by which the values are stored as 16-bit integers.
    """
    with LIBRARY, netCDF4.Dataset(path, "w") as file:
        file.setncatts(attributes or {})
        for axis, centres in zip(axes, (lat, lon), strict=True):
            file.createDimension(axis, centres.size)
            file.createVariable(axis, "f4", (axis,))[:] = centres
        file.createDimension(clock, len(when))
        time = file.createVariable(clock, "f8", (clock,))
        time.setncatts({"units": since, "calendar": calendar})
        if since.startswith("months"):
            time[:] = [12 * (year - int(since.split()[2][:4])) + month - 1 + 0.5 for year, month in when]
        elif since.startswith("years"):
            time[:] = [year - int(since.split()[2][:4]) for year, _ in when]
        elif ends:
            first = [cftime.datetime(year, month, 1, calendar=calendar) for year, month in when]
            after = [cftime.datetime(y + m // 12, m % 12 + 1, 1, calendar=calendar) for y, m in when]
            file.createDimension("edge", 2)
            bounds = file.createVariable(f"{clock}_bounds", "f8", (clock, "edge"))
            bounds[:] = np.transpose([cftime.date2num(edge, since, calendar) for edge in (first, after)])
            time.bounds, time[:] = f"{clock}_bounds", bounds[:, 1]
        else:
            stamps = [cftime.datetime(year, month, 15, calendar=calendar) for year, month in when]
            time[:] = cftime.date2num(stamps, since, calendar)
        kind, fill = ("i2", -32767) if packing else ("f4", fill)
        variable = file.createVariable(name, kind, (clock, *axes), fill_value=fill)
        variable.units = units
        if packing:
            variable.scale_factor, variable.add_offset = packing
        variable[:] = values
    return path
