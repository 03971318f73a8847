//! End-to-end scenarios through the whole house, and the architecture's rules as tests.

mod architecture;
mod campaigns;
mod restarts;
mod street;
