//! End-to-end scenarios through the whole house, and the architecture's rules as tests.

mod architecture;
mod campaigns;
mod hash_backend;
mod restarts;
mod street;
