"""Small NetCDF files for tests: monthly or yearly fields with a calendar, units and names of one's choice."""

import cftime
import netCDF4
import numpy as np

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
):
    """Write (time, lat, lon), one time a (year, month): its 15th, or counted in months where ``since`` counts those."""
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts(attributes or {})
        for axis, centres in zip(axes, (lat, lon), strict=True):
            file.createDimension(axis, centres.size)
            file.createVariable(axis, "f4", (axis,))[:] = centres
        file.createDimension("time", len(when))
        clock = file.createVariable("time", "f8", ("time",))
        clock.setncatts({"units": since, "calendar": calendar})
        if since.startswith("months"):
            clock[:] = [12 * (year - int(since.split()[2][:4])) + month - 1 + 0.5 for year, month in when]
        elif since.startswith("years"):
            clock[:] = [year - int(since.split()[2][:4]) for year, _ in when]
        else:
            stamps = [cftime.datetime(year, month, 15, calendar=calendar) for year, month in when]
            clock[:] = cftime.date2num(stamps, since, calendar)
        variable = file.createVariable(name, "f4", ("time", *axes), fill_value=fill)
        variable.units = units
        variable[:] = values
    return path
