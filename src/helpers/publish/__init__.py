"""What one does with runs: no chapter imports this room."""
