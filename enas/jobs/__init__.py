"""Independent work, such as trainings of many arcs: a list of jobs, run by Dask on this machine or on a cluster."""
