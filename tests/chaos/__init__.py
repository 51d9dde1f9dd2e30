"""Faults injected into real processes, and what must hold 30 s after the last one has ended.

`python -m tests.chaos --short` (tools/chaos.sh) runs it. Reading order: plan.py (which faults, when), faults.py (how
each is done), traffic.py (what clients do, and what they were told), checker.py (what is asserted), stage.py (the
processes). node.py, server.py and proxy.py are programs of their own; breaks.py spoils them on purpose.

Notes for reviews. Whatever decides anything here takes its own random.Random, made from the seed. A write without an
answer is unknown, not failed: its object is left alone until nobody can be working on it any more. The checker
believes the clients' book, the files of the nodes and the tables, and nothing that the product says about itself.
"""
