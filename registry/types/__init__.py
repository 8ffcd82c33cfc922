"""The domain: frozen pydantic models that every room shares.

Only pydantic is imported here. Everything refuses unknown keys, so a misspelt field is an error and
never a silent default. Import from the module that defines a type, e.g. `assay.registry.types.case`.
"""
