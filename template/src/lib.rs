//! Go-style templates for image destinations, lowered to tinytemplate.
