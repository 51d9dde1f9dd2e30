"""Where server and agents meet, and nowhere else: the transports, and one file per interface with both directions.

Review notes: only this package imports oslo.messaging; a message is plain JSON; an unknown field is ignored and a
missing one has a default, so that either side may be a version ahead; no message is ever sent from a request handler.
"""
