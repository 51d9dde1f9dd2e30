"""The API format: one class per resource, from which validation, serialisation, queries and OpenAPI are derived.

Review notes: a second list of attributes anywhere is a bug; so is a type whose JSON schema allows what its validator
refuses; nothing here knows who asks (policy) or what exists (services).
"""
