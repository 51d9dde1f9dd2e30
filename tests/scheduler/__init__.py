"""Tables and properties of the pure scheduler: no I/O, no mocks."""
