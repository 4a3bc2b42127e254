"""What benchmarks are judged by."""


def report(targets):
    """Prints each of `targets`: (what was measured, value, limit). Returns: whether all are met."""
    print()
    for what, value, limit in targets:
        print(f"{'met   ' if value <= limit else 'MISSED'} {value:6.2f} <= {limit:6.2f}  {what}")
    return all(value <= limit for _, value, limit in targets)
