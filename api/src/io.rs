//! Waiting for any descriptor.
