"""From the rows of an evaluation to tables: `rows` are read, `tidy` tables made, `layout` prints them."""
