"""The only way to the kernel: namespaces, links, rules, connections and processes.

The only importer of pyroute2 and nftables, and with cmd of subprocess.

Review notes:
- Threads are native. A namespace is entered in a fresh thread that ends afterwards (netns.run_in), never in one that
  somebody else will use.
- Every function is idempotent or says which error it raises; what is gone is removed successfully.
- Errors leave as NetschedError with a sentence for people.
"""
