"""Files of formats that several rooms read: HDF5 and computational sequences."""
