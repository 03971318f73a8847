//! DLMS image transfer and ZCL OTA frames: parse and emit.
