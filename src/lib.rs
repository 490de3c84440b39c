//! Packet rings.
#![no_std]
