"""From a company's tables to one row per response."""
