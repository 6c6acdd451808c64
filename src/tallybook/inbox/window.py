"""Where a number may be written to freely, and until when. Pure."""
