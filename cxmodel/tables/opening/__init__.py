"""From a file, frame, table or query to a source under cxmodel's names and types."""
