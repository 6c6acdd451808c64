"""Customers on WhatsApp: one thread for each, with everything that was said in it."""
