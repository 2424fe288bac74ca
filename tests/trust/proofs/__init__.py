"""Each module holds one proof: a generator with one text per case, empty if the case went well."""
