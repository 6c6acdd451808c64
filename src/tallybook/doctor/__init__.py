"""The doctor: holds any PostgreSQL database against the business's own rules, says what is wrong, and mends it.

It stands on psycopg alone, so that it can be installed and run without the rest of the product.
"""
