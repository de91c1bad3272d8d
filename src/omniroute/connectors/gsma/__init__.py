"""Any operator that speaks the GSMA Mobile Money API 1.2."""
