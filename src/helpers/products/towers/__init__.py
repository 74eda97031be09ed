"""What stands behind the reader of flux towers: names, yearly tables, places, and the account of what was left out."""
