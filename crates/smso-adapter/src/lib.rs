//! The SMSO's and the DCC's words: the HTTP API of the engine.
