//! What survives a switch, and on which stack a context runs.
