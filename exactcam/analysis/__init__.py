"""Questions about an answer: measures, tables, samples, straight lines, formulas."""
