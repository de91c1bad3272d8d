"""Words everything uses: money, ids, time, refusals, paging. Standard library only; no I/O."""
