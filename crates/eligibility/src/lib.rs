//! May this device get this firmware now, and on what evidence.
