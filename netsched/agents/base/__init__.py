"""The framework under every agent: copies of what is wanted, a dirty set, workers that apply it, heartbeats.

Flow: notice or pull -> cache.py (the copy moves) -> process.py puts the scope into loop.py's dirty set -> a worker
calls the driver, reads back -> heartbeat.py reports the position as applied.

Review notes:
- What a beat calls applied was read back by the driver. A position that was only received is never reported.
- Nothing here asks the server periodically: a pull has a cause (a gap, a lagging answer, a new incarnation).
- Losing the server changes nothing on the machine. Only an answer or a notice can take a scope away.
- No thread per scope, no queue that grows: work waits in sets keyed by scope.
- Time comes from the Clock, chance from the Random that were passed in: flow tests run 50 agents without threads.
"""
