//! Zigbee OTA files, SUIT envelopes, activation orders: build, sign, verify.
