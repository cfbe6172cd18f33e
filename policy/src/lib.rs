//! Which platforms and images of a list are moved: platform matching, index filtering, patterns.
