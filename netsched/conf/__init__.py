"""Configuration: one module per option group, each with GROUP and OPTS.

Read by cmd and server/wiring only, and passed on as plain values; nothing below them knows that there is a file.
"""
